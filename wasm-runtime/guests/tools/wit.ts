// The WIT packages guests are made against: WASI's own come with jco; the drafts are written down here, as the engine's capabilities have them.

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONFIG = `package wasi:config@0.2.0-rc.1;
interface store {
  variant error { upstream(string), io(string) }
  get: func(key: string) -> result<option<string>, error>;
  get-all: func() -> result<list<tuple<string, string>>, error>;
}
`;

const LOGGING = `package wasi:logging@0.1.0-draft;
interface logging {
  enum level { trace, debug, info, warn, error, critical }
  log: func(level: level, context: string, message: string);
}
`;

const keyvalue = ({ version, cursor, atomics, delta, many }: Readonly<Record<'version' | 'cursor' | 'atomics' | 'delta' | 'many', string>>): string => `package wasi:keyvalue@${version};
interface store {
  variant error { no-such-store, access-denied, other(string) }
  record key-response { keys: list<string>, cursor: option<${cursor}> }
  open: func(identifier: string) -> result<bucket, error>;
  resource bucket {
    get: func(key: string) -> result<option<list<u8>>, error>;
    set: func(key: string, value: list<u8>) -> result<_, error>;
    delete: func(key: string) -> result<_, error>;
    exists: func(key: string) -> result<bool, error>;
    list-keys: func(cursor: option<${cursor}>) -> result<key-response, error>;
  }
}
interface atomics {
  use store.{bucket, error};
  increment: func(bucket: borrow<bucket>, key: string, delta: ${delta}) -> result<${delta}, error>;
  ${atomics}
}
interface batch {
  use store.{bucket, error};
  get-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<list<${many}>, error>;
  set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
  delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
}
`;

const SWAP = `variant cas-error { store-error(error), cas-failed(cas) }
  resource cas {
    new: static func(bucket: borrow<bucket>, key: string) -> result<cas, error>;
    current: func() -> result<option<list<u8>>, error>;
  }
  swap: func(cas: cas, value: list<u8>) -> result<_, cas-error>;`;

const PACKAGES: Readonly<Record<string, string>> = {
  ours: 'package copepod:guests;\ninterface nowhere { touch: func(); }\n',
  config: CONFIG,
  logging: LOGGING,
  'keyvalue-draft': keyvalue({ version: '0.2.0-draft', cursor: 'u64', atomics: '', delta: 'u64', many: 'option<tuple<string, list<u8>>>' }),
  'keyvalue-draft2': keyvalue({ version: '0.2.0-draft2', cursor: 'string', atomics: SWAP, delta: 's64', many: 'tuple<string, option<list<u8>>>' }),
};

/** Lays all of it below `out`; the folder it is in. Whoever embeds a world adds its own file. */
export async function layWit(out: string): Promise<string> {
  const wit = join(out, 'wit');
  const builtin = join(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))), '..', 'lib', 'wit', 'builtin');
  await rm(wit, { recursive: true, force: true });
  for (const version of ['0.2.12', '0.3.0']) {
    for (const name of ['cli', 'clocks', 'filesystem', 'http', 'io', 'random', 'sockets']) {
      await cp(join(builtin, version, `wasi-${name}`), join(wit, 'deps', `${name}-${version}`), { recursive: true }).catch((error: unknown) => {
        if (!(name === 'io' && version === '0.3.0')) throw error;
      });
    }
  }
  for (const [name, text] of Object.entries(PACKAGES)) {
    await mkdir(join(wit, 'deps', name));
    await writeFile(join(wit, 'deps', name, 'package.wit'), text);
  }
  return wit;
}
