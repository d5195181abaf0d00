// wasi:sockets 0.2, IPv4.

import { RET, Utf8 } from './memory';
import { Address } from './address';
import { wait } from './io';

@external("wasi:sockets/instance-network@0.2.12", "instance-network")
export declare function network(): i32;
@external("wasi:sockets/tcp-create-socket@0.2.12", "create-tcp-socket")
declare function createTcp(family: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.start-bind")
declare function tcpStartBind(socket: i32, network: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.finish-bind")
declare function tcpFinishBind(socket: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.start-connect")
declare function tcpStartConnect(socket: i32, network: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.finish-connect")
declare function tcpFinishConnect(socket: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.start-listen")
declare function tcpStartListen(socket: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.finish-listen")
declare function tcpFinishListen(socket: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.accept")
declare function tcpAccept(socket: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.subscribe")
declare function tcpSubscribe(socket: i32): i32;
@external("wasi:sockets/tcp@0.2.12", "[method]tcp-socket.shutdown")
declare function tcpShutdown(socket: i32, how: i32, result: usize): void;
@external("wasi:sockets/tcp@0.2.12", "[resource-drop]tcp-socket")
export declare function dropTcp(socket: i32): void;
@external("wasi:sockets/udp-create-socket@0.2.12", "create-udp-socket")
declare function createUdp(family: i32, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]udp-socket.start-bind")
declare function udpStartBind(socket: i32, network: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]udp-socket.finish-bind")
declare function udpFinishBind(socket: i32, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]udp-socket.stream")
declare function udpStream(socket: i32, some: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]incoming-datagram-stream.receive")
declare function udpReceive(stream: i32, most: u64, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]incoming-datagram-stream.subscribe")
declare function udpSubscribe(stream: i32): i32;
@external("wasi:sockets/udp@0.2.12", "[method]outgoing-datagram-stream.check-send")
declare function udpCheckSend(stream: i32, result: usize): void;
@external("wasi:sockets/udp@0.2.12", "[method]outgoing-datagram-stream.subscribe")
declare function udpSendSubscribe(stream: i32): i32;
@external("wasi:sockets/udp@0.2.12", "[method]outgoing-datagram-stream.send")
declare function udpSend(stream: i32, list: usize, count: usize, result: usize): void;
@external("wasi:sockets/ip-name-lookup@0.2.12", "resolve-addresses")
declare function resolveAddresses(network: i32, at: usize, length: usize, result: usize): void;
@external("wasi:sockets/ip-name-lookup@0.2.12", "[method]resolve-address-stream.resolve-next-address")
declare function nextAddress(stream: i32, result: usize): void;
@external("wasi:sockets/ip-name-lookup@0.2.12", "[method]resolve-address-stream.subscribe")
declare function resolveSubscribe(stream: i32): i32;

const WOULD_BLOCK = 8;

/** What failed last: an error-code's number, or -1. */
export let failed: i32 = -1;

function settled(errorAt: usize): bool {
  failed = load<u8>(RET) == 0 ? -1 : load<u8>(RET + errorAt);
  return failed < 0;
}

/** The socket, or -1. */
export function tcpSocket(): i32 {
  createTcp(0, RET);
  return settled(4) ? load<i32>(RET, 4) : -1;
}

export function udpSocket(): i32 {
  createUdp(0, RET);
  return settled(4) ? load<i32>(RET, 4) : -1;
}

export class Connection {
  constructor(public socket: i32, public input: i32, public output: i32) {}

  /** Says that nothing more is sent. */
  shut(): void {
    tcpShutdown(this.socket, 1, RET);
  }
}

export function connect(to: Address): Connection | null {
  const socket = tcpSocket();
  if (socket < 0) return null;
  tcpStartConnect(socket, network(), 0, to.port, to.a, to.b, to.c, to.d, 0, 0, 0, 0, 0, 0, RET);
  if (!settled(1)) return null;
  tcpFinishConnect(socket, RET);
  while (!settled(4)) {
    if (failed != WOULD_BLOCK) return null;
    wait(tcpSubscribe(socket));
    tcpFinishConnect(socket, RET);
  }
  return new Connection(socket, load<i32>(RET, 4), load<i32>(RET, 8));
}

/** The listening socket, or -1. */
export function listen(at: Address): i32 {
  const socket = tcpSocket();
  if (socket < 0) return -1;
  tcpStartBind(socket, network(), 0, at.port, at.a, at.b, at.c, at.d, 0, 0, 0, 0, 0, 0, RET);
  if (!settled(1)) return -1;
  tcpFinishBind(socket, RET);
  if (!settled(1)) return -1;
  tcpStartListen(socket, RET);
  if (!settled(1)) return -1;
  tcpFinishListen(socket, RET);
  return settled(1) ? socket : -1;
}

export function accept(listener: i32): Connection | null {
  tcpAccept(listener, RET);
  while (!settled(4)) {
    if (failed != WOULD_BLOCK) return null;
    wait(tcpSubscribe(listener));
    tcpAccept(listener, RET);
  }
  return new Connection(load<i32>(RET, 4), load<i32>(RET, 8), load<i32>(RET, 12));
}

/** Both streams of a bound UDP socket. */
export class Datagrams {
  constructor(public input: i32, public output: i32) {}

  /** The first one to come; it is left at the result: data, length, sender. */
  receive(): usize {
    udpReceive(this.input, 1, RET);
    while (settled(4)) {
      if (load<u32>(RET, 8) > 0) return load<usize>(RET, 4);
      wait(udpSubscribe(this.input));
      udpReceive(this.input, 1, RET);
    }
    return 0;
  }

  /** `to`: where the address stands in memory, as a variant. */
  send(at: usize, length: usize, to: usize): bool {
    udpCheckSend(this.output, RET);
    while (settled(8) && load<u64>(RET, 8) == 0) {
      wait(udpSendSubscribe(this.output));
      udpCheckSend(this.output, RET);
    }
    if (failed >= 0) return false;
    const datagram = heap.alloc(44);
    store<usize>(datagram, at);
    store<usize>(datagram, length, 4);
    store<u8>(datagram, to == 0 ? 0 : 1, 8);
    if (to != 0) memory.copy(datagram + 12, to, 32);
    udpSend(this.output, datagram, 1, RET);
    return settled(8);
  }
}

export function bindUdp(at: Address): Datagrams | null {
  const socket = udpSocket();
  if (socket < 0) return null;
  udpStartBind(socket, network(), 0, at.port, at.a, at.b, at.c, at.d, 0, 0, 0, 0, 0, 0, RET);
  if (!settled(1)) return null;
  udpFinishBind(socket, RET);
  if (!settled(1)) return null;
  udpStream(socket, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, RET);
  return settled(4) ? new Datagrams(load<i32>(RET, 4), load<i32>(RET, 8)) : null;
}

/** Its first address as text, or `error` and a number. */
export function lookUp(name: string): string {
  const text = new Utf8(name);
  resolveAddresses(network(), text.at, text.length, RET);
  if (!settled(4)) return 'error ' + failed.toString();
  const stream = load<i32>(RET, 4);
  nextAddress(stream, RET);
  while (!settled(2)) {
    if (failed != WOULD_BLOCK) return 'error ' + failed.toString();
    wait(resolveSubscribe(stream));
    nextAddress(stream, RET);
  }
  if (load<u8>(RET, 2) == 0) return 'nothing';
  if (load<u8>(RET, 4) == 1) return 'an IPv6 address';
  return load<u8>(RET, 6).toString() + '.' + load<u8>(RET, 7).toString() + '.' + load<u8>(RET, 8).toString() + '.' + load<u8>(RET, 9).toString();
}
