// copepod store: looking after the store of a data directory. What only reads works beside a running server; what rewrites the files
// takes the directory, or asks the server that has it.

import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lockDirectory, LockError, lockOwner } from '@copepod/control-plane/lock';
import {
  exportStore, importStore, isStorageError, openEtcdStorage, openLmdbReader, openLmdbStorage, restoreStore, type Storage, type StorageReader, type StorageStatus, verifyStore,
} from '@copepod/control-plane/storage';
import { expectOk } from '@copepod/client/rest';
import type { Command } from 'commander';
import { type CliCommand, examples } from '../commands/command.ts';
import { connected, type Io } from '../context.ts';
import { Failure } from '../failure.ts';
import { renderTable } from '../output/index.ts';
import { type EtcdFlags, etcdFlags, parseEtcd } from './etcd-flags.ts';

interface StoreOptions extends Partial<EtcdFlags> {
  readonly dataDir?: string;
}

interface Place {
  readonly dataDir: string;
  readonly path: string;
  /** Where the store is meant that is in etcd. */
  readonly etcd: ReturnType<typeof parseEtcd> | undefined;
}

export const store: CliCommand = {
  register(program, io) {
    const group = program.command('store').description('Look after the store of a data directory');
    const command = (name: string, description: string, work: (place: Place, operand?: string) => Promise<void>): Command => group
      .command(name).description(description).option('--data-dir <folder>', 'whose store')
      .action(async (...received: readonly unknown[]) => {
        // The operand, when the command has one, then the options, then the command itself.
        const flags = received.at(-2) as StoreOptions;
        const [operand] = received;
        const dataDir = resolve(flags.dataDir ?? io.dataDir);
        const etcd = flags.etcdEndpoints === undefined ? undefined : parseEtcd({ etcdPrefix: '', ...flags });
        await told(() => work({ dataDir, path: join(dataDir, 'store'), etcd }, typeof operand === 'string' ? operand : undefined));
      });
    command('status', 'Say how large it is, what it keeps, and what it writes', (place) => status(io, place));
    command('snapshot <file>', 'Copy it as it is now into a file, while it is used', (place, file = '') => snapshot(io, place, resolve(file)));
    command('verify [file]', 'Check every byte of it, or of a snapshot', (place, file) => verify(io, file === undefined ? place.path : resolve(file)));
    command('restore <file>', 'Make it what a snapshot holds', (place, file = '') => restore(io, place, resolve(file)));
    etcdFlags(command('export [file]', 'Write its keys as YAML', (place, file) => writeExport(io, place, file)));
    etcdFlags(command('import <file>', 'Put the keys of an export into an empty store', (place, file = '') => readExport(io, place, file)));
    command('defrag', 'Give empty space in its file back to the disk', (place) => defragment(io, place));
    examples(group, ['copepod store snapshot /backup/monday', 'copepod store verify /backup/monday', 'copepod store restore /backup/monday --data-dir /var/lib/copepod', 'copepod store export > cluster.yaml', 'copepod store import cluster.yaml --etcd-endpoints http://10.0.0.1:2379']);
  },
};

async function told(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isStorageError(error)) throw new Failure(error.message, { cause: error });
    if (error instanceof LockError) throw new Failure(error.message, { hint: 'this command needs the store for itself: stop the server first', cause: error });
    const { code, message } = error as NodeJS.ErrnoException;
    throw typeof code === 'string' && /^E[A-Z]+$/.test(code) ? new Failure(message, { cause: error }) : error;
  }
}

/** Of the running server when there is one: it alone counts what it writes. */
async function askServer<T>(io: Io, { dataDir }: Place, method: 'GET' | 'POST', path: string): Promise<T | undefined> {
  if (lockOwner(dataDir) === undefined) return undefined;
  let answer: unknown;
  await connected(io, { kubeconfig: join(dataDir, 'kubeconfig') }, async ({ transport }) => {
    answer = expectOk(await transport.request({ method, path: `/copepod/v1/store${path}` }));
  });
  return answer as T;
}

async function status(io: Io, place: Place): Promise<void> {
  const answered = await askServer<StorageStatus>(io, place, 'GET', '') ?? await withReader(place, (reader) => reader.status());
  const owner = lockOwner(place.dataDir);
  io.out(`store       ${answered.implementation}, ${place.path}\nin use by   ${owner === undefined ? 'nobody' : `process ${owner}`}\nrevision    ${answered.revision}, kept from ${answered.compacted}\n\n`);
  io.out(renderTable(['name', 'value', 'what'], answered.figures.map(({ name, value, help }) => [name, String(value), help])));
}

async function withReader<T>({ path }: Place, work: (reader: ReturnType<typeof openLmdbReader>) => Promise<T>): Promise<T> {
  const reader = openLmdbReader(path);
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

/** Takes the data directory for as long as `work` lasts. */
async function alone<T>({ dataDir }: Place, work: () => Promise<T>): Promise<T> {
  const unlock = lockDirectory(dataDir);
  try {
    return await work();
  } finally {
    unlock();
  }
}

async function snapshot(io: Io, place: Place, file: string): Promise<void> {
  await withReader(place, (reader) => reader.snapshot(file));
  const { keys, revision } = await verifyStore(file);
  io.out(`${file}: ${keys} keys at revision ${revision}\n`);
}

async function verify(io: Io, path: string): Promise<void> {
  const { keys, versions, revision, problems } = await verifyStore(path);
  if (problems.length > 0) {
    throw new Failure(`${path} is damaged:\n  ${problems.join('\n  ')}`, { hint: 'restore a snapshot with copepod store restore FILE' });
  }
  io.out(`${path} is whole: ${keys} keys, ${versions} versions, revision ${revision}\n`);
}

async function restore(io: Io, place: Place, file: string): Promise<void> {
  const { keys, revision, before } = await alone(place, () => restoreStore(place.path, file));
  io.out(`${place.path} holds ${file}: ${keys} keys; it goes on after revision ${revision}\n`);
  if (before !== undefined) io.out(`what was there before is ${before}\n`);
}

async function writeExport(io: Io, place: Place, file: string | undefined): Promise<void> {
  await withSource(place, async (reader) => {
    if (file === undefined || file === '-') {
      for await (const piece of exportStore(reader)) writeSync(1, piece);
      return;
    }
    const pieces: string[] = [];
    for await (const piece of exportStore(reader)) pieces.push(piece);
    writeFileSync(file, pieces.join(''), { mode: 0o600 });
    io.out(`${file}: ${pieces.length - 1} keys\n`);
  });
}

async function readExport(io: Io, place: Place, file: string): Promise<void> {
  const yaml = readFileSync(file === '-' ? 0 : file, 'utf8');
  const into = async (storage: Storage): Promise<void> => {
    const { keys, revision } = await importStore(storage, yaml);
    io.out(`${keys} keys imported into ${place.etcd === undefined ? place.path : 'etcd'}; revision ${revision}\n`);
  };
  if (place.etcd !== undefined) await withEtcd(place.etcd, into);
  else await alone(place, () => closing(openLmdbStorage({ path: place.path }), into));
}

/** The store an export is of. */
async function withSource(place: Place, work: (reader: StorageReader) => Promise<void>): Promise<void> {
  await (place.etcd === undefined ? withReader(place, work) : withEtcd(place.etcd, work));
}

async function withEtcd(etcd: NonNullable<Place['etcd']>, work: (storage: Storage) => Promise<void>): Promise<void> {
  await closing(await openEtcdStorage(etcd), work);
}

async function closing(storage: Storage, work: (storage: Storage) => Promise<void>): Promise<void> {
  try {
    await work(storage);
  } finally {
    await storage.close();
  }
}

async function defragment(io: Io, place: Place): Promise<void> {
  const { before, after } = await askServer<{ before: number; after: number }>(io, place, 'POST', '/defrag') ?? await alone(place, async () => {
    const storage = openLmdbStorage({ path: place.path });
    try {
      return await storage.defragment();
    } finally {
      await storage.close();
    }
  });
  io.out(`${place.path}: ${mebibytes(before)} before, ${mebibytes(after)} now\n`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
