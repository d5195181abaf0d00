// Flags that say where etcd is and who this process is to it.

import { readFileSync } from 'node:fs';
import type { SharedStore } from '@copepod/control-plane';
import type { Command } from 'commander';
import { Failure, usage } from '../failure.ts';

export interface EtcdFlags {
  readonly etcdEndpoints?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly etcdPrefix: string;
}

export function etcdFlags(command: Command): Command {
  return command
    .option('--etcd-endpoints <urls>', 'of etcd\'s members, with commas, e.g. https://10.0.0.1:2379,https://10.0.0.2:2379')
    .option('--etcd-ca <file>', 'PEM of the authority that signed etcd\'s certificates')
    .option('--etcd-cert <file>', 'PEM of the certificate to show etcd')
    .option('--etcd-key <file>', 'PEM of its key')
    .option('--etcd-user <name>', 'where etcd asks for a login; name:password is taken too')
    .option('--etcd-password-file <file>', 'holds the password of --etcd-user')
    .option('--etcd-prefix <path>', 'before every key, so that several clusters may share one etcd', '/copepod');
}

/** Failure when a file cannot be read or the flags contradict each other. */
export function parseEtcd(flags: EtcdFlags): SharedStore['etcd'] {
  const endpoints = (flags.etcdEndpoints ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  if (endpoints.length === 0) throw usage('--store etcd needs to know where etcd is', 'e.g. --etcd-endpoints https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379');
  if ((flags.etcdCert === undefined) !== (flags.etcdKey === undefined)) throw usage('--etcd-cert and --etcd-key go together');
  if (!flags.etcdPrefix.startsWith('/') && flags.etcdPrefix !== '') throw usage(`--etcd-prefix ${flags.etcdPrefix} does not begin with a slash`);
  const tls = flags.etcdCa === undefined && flags.etcdCert === undefined ? undefined : {
    ca: read(flags.etcdCa, '--etcd-ca'), cert: read(flags.etcdCert, '--etcd-cert'), key: read(flags.etcdKey, '--etcd-key'),
  };
  return { endpoints, prefix: flags.etcdPrefix.replace(/\/+$/, ''), tls, ...login(flags) };
}

function login({ etcdUser, etcdPasswordFile }: EtcdFlags): Pick<SharedStore['etcd'], 'user'> {
  if (etcdUser === undefined) return {};
  const [, name = etcdUser, inline] = /^([^:]+):(.*)$/s.exec(etcdUser) ?? [];
  const password = inline ?? read(etcdPasswordFile, '--etcd-password-file')?.replace(/\r?\n$/, '');
  if (password === undefined) throw usage(`--etcd-user ${name} has no password`, 'name a file that holds it with --etcd-password-file');
  return { user: { name, password } };
}

function read(path: string | undefined, flag: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Failure(`${flag} ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
