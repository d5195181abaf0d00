// What `compile` makes here: one JSON file with the transpiled module, its core modules and a checksum over both.

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../errors.ts';
import type { ComponentInfo } from '../runtime.ts';
import { readComponent } from './component-file.ts';

const FORMAT = 'copepod-jco-1';

export interface Artifact {
  readonly info: ComponentInfo;
  /** File name → base64. */
  readonly files: Readonly<Record<string, string>>;
}

/** RuntimeError as of `readComponent`, and CompileFailed. The file appears whole or not at all. */
export async function transpileTo(file: string, output: string): Promise<void> {
  const { bytes, info } = await readComponent(file);
  // Loaded only where something is transpiled: it is several megabytes.
  const { transpileBytes } = await import('@bytecodealliance/jco-transpile');
  const { files } = await transpileBytes(bytes, { name: 'component', instantiation: 'sync', emitTypescriptDeclarations: false }).catch((cause: unknown) => {
    throw new RuntimeError('CompileFailed', `cannot transpile: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  const artifact: Artifact = { info, files: Object.fromEntries(Object.entries(files).map(([name, content]) => [name, Buffer.from(content).toString('base64')])) };
  const body = JSON.stringify(artifact);
  const partial = `${output}.${randomUUID()}.partial`;
  try {
    await writeFile(partial, `${FORMAT} ${createHash('sha256').update(body).digest('hex')}\n${body}`);
    await rename(partial, output);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new RuntimeError('Io', `${output}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** RuntimeError Io, IncompatibleArtifact. */
export async function readArtifact(file: string): Promise<Artifact> {
  const text = await readFile(file, 'latin1').catch((cause: unknown) => {
    throw new RuntimeError('Io', `${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  const end = text.indexOf('\n');
  const [format, sum] = text.slice(0, Math.max(0, end)).split(' ');
  if (format !== FORMAT) throw new RuntimeError('IncompatibleArtifact', `${file}: not a compiled component; compile the component again`);
  const body = text.slice(end + 1);
  if (createHash('sha256').update(body, 'latin1').digest('hex') !== sum) throw new RuntimeError('IncompatibleArtifact', `${file}: its checksum does not match; compile the component again`);
  return JSON.parse(body) as Artifact;
}

/** Lays the files out for a runner; every core module's memory is bounded by the limit. RuntimeError LimitTooSmall when one begins with more. */
export async function layOut(artifact: Artifact, folder: string, memoryBytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(artifact.files)) {
    const bytes = Buffer.from(content, 'base64');
    await writeFile(join(folder, name), name.endsWith('.wasm') ? boundMemory(bytes, memoryBytes) : bytes);
  }
}

const PAGE = 65_536;
const MEMORIES = 5;

/** Rewrites the memory section of a core module so that no memory grows past the limit: V8 then refuses the growth itself. RuntimeError LimitTooSmall. */
export function boundMemory(module: Buffer, memoryBytes: number): Buffer {
  const most = Math.floor(memoryBytes / PAGE);
  const cursor = { at: 8 };
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[cursor.at] ?? 0;
      cursor.at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (cursor.at < module.length) {
    const start = cursor.at;
    const id = module[cursor.at] ?? 0;
    cursor.at += 1;
    const size = number();
    if (id !== MEMORIES) {
      cursor.at += size;
      continue;
    }
    const content = [...leb(number())];
    const end = cursor.at + size - content.length;
    while (cursor.at < end) {
      const flags = number();
      const least = number();
      const declared = (flags & 1) === 1 ? number() : Number.POSITIVE_INFINITY;
      if (least > most) throw new RuntimeError('LimitTooSmall', `the component begins with ${least * PAGE} bytes in one memory, and its limit is ${memoryBytes}`);
      content.push(...leb(flags | 1), ...leb(least), ...leb(Math.min(declared, most)));
    }
    return Buffer.concat([module.subarray(0, start), Buffer.from([MEMORIES, ...leb(content.length), ...content]), module.subarray(end)]);
  }
  return module;
}

function leb(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}
