// A command that serves: standard input says "tcp PORT" or "udp PORT"; it echoes one connection, or one datagram, on 0.0.0.0 and ends. Says "listening" when it does.
import { input, print, read, writeBytes } from './kit/io';
import { Address } from './kit/address';
import { accept, bindUdp, failed, listen } from './kit/sockets';
export { cabi_realloc } from './kit/memory';

function serveTcp(at: Address): bool {
  const listener = listen(at);
  if (listener < 0) return false;
  print('listening\n');
  const connection = accept(listener);
  if (connection === null) return false;
  let bytes = read(connection.input);
  while (bytes !== null) {
    writeBytes(connection.output, changetype<usize>(bytes), bytes.byteLength);
    bytes = read(connection.input);
  }
  return true;
}

function serveUdp(at: Address): bool {
  const datagrams = bindUdp(at);
  if (datagrams === null) return false;
  print('listening\n');
  const datagram = datagrams.receive();
  return datagram != 0 && datagrams.send(load<usize>(datagram), load<usize>(datagram, 4), datagram + 8);
}

export function run(): i32 {
  const words = input().split(' ');
  const at = Address.parse('0.0.0.0:' + words[1]);
  const served = words[0] == 'udp' ? serveUdp(at) : serveTcp(at);
  if (!served) print('error ' + failed.toString() + '\n');
  return served ? 0 : 1;
}
