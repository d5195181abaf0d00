// An etcd of our own, as child processes on loopback: for trying things out, and for tests. The binary is the machine's.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@copepod/client/clock';

export interface LocalEtcdOptions {
  /** Data of each member are in a folder below. */
  readonly folder: string;
  /** 1 or 3; default 1. */
  readonly members?: number;
  /** Default `etcd`, as the PATH has it. */
  readonly binary?: string;
  /** Flags for every member. */
  readonly args?: readonly string[];
  /** Clients then need a certificate of the authority; members among themselves do not. */
  readonly tls?: LocalTls | undefined;
}

/** PEM files, for `127.0.0.1`; the certificate serves and shows itself. */
export interface LocalTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface EtcdMember {
  readonly name: string;
  /** `http://127.0.0.1:port`. */
  readonly endpoint: string;
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again where it stopped. */
  restart(): Promise<void>;
}

export interface LocalEtcd {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly string[];
  close(): Promise<void>;
}

const READY_MS = 30_000;

/** The version of the binary, undefined when there is none that runs. */
export function etcdVersion(binary = 'etcd'): string | undefined {
  const { stdout, status } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  return status === 0 ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
}

/** Error with what etcd said when it does not come up. */
export async function startLocalEtcd({ folder, members = 1, binary = 'etcd', args = [], tls }: LocalEtcdOptions): Promise<LocalEtcd> {
  const ports = await freePorts(members * 2);
  const all = Array.from({ length: members }, (_, index) => ({ name: `etcd-${index + 1}`, client: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports[index * 2]}`, peer: `http://127.0.0.1:${ports[index * 2 + 1]}` }));
  const cluster = all.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const started = all.map(({ name, client, peer }) => new Member({
    name, endpoint: client, binary, folder: join(folder, name), tls,
    args: ['--name', name, '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', cluster, ...tlsFlags(tls), ...args],
  }));
  const close = async (): Promise<void> => {
    await Promise.all(started.map((member) => member.kill()));
  };
  try {
    await Promise.all(started.map((member) => member.restart()));
  } catch (error) {
    await close();
    throw error;
  }
  return { members: started, endpoints: started.map((member) => member.endpoint), close };
}

interface MemberOptions {
  readonly name: string;
  readonly endpoint: string;
  readonly binary: string;
  readonly folder: string;
  readonly args: readonly string[];
  readonly tls: LocalTls | undefined;
}

function tlsFlags(tls: LocalTls | undefined): readonly string[] {
  return tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key, '--client-cert-auth', '--trusted-ca-file', tls.ca];
}

class Member implements EtcdMember {
  readonly name: string;
  readonly endpoint: string;
  readonly #options: MemberOptions;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(options: MemberOptions) {
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async restart(): Promise<void> {
    const { binary, folder, args } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#output = '';
    const child = spawn(binary, ['--data-dir', folder, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-4000);
      });
    }
    let failed: Error | undefined;
    child.on('error', (error) => {
      failed = error;
    });
    const until = systemClock.monotonic() + READY_MS;
    while (!(await isHealthy(this.endpoint, this.#options.tls))) {
      if (failed !== undefined || child.exitCode !== null) throw new Error(`${this.name} did not start: ${failed?.message ?? this.#output}`);
      if (systemClock.monotonic() > until) throw new Error(`${this.name} was not ready within ${READY_MS / 1000} s: ${this.#output}`);
      await systemClock.sleep(50);
    }
  }
}

function isHealthy(endpoint: string, tls: LocalTls | undefined): Promise<boolean> {
  const identity = tls === undefined ? {} : { ca: readFileSync(tls.ca), cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
  return new Promise((resolve) => {
    const asked = (tls === undefined ? httpRequest : httpsRequest)(`${endpoint}/health`, { ...identity, agent: false, timeout: 1000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(response.statusCode === 200 && /"health":\s*"true"/.test(text)));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.on('close', () => resolve(false));
    asked.end();
  });
}

/** Ports nobody had a moment ago: etcd cannot pick one itself, since its peers are told beforehand. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
