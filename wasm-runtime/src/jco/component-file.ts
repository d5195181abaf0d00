// Says what a file is before it is transpiled: the same judgement as the wasmtime engine's, on the component's own sections.
// Binary format: WebAssembly/component-model, design/mvp/Binary.md.

import { readFile } from 'node:fs/promises';
import { RuntimeError } from '../errors.ts';
import type { ComponentInfo } from '../runtime.ts';

/** What the shims offer; everything else is refused by name. */
const OFFERED = /^wasi:(cli|clocks|filesystem|http|io|random|sockets)\/[a-z0-9-]+@0\.2\./;
const MAGIC = 0x0061736d;
const IMPORTS = 10;
const EXPORTS = 11;

/** RuntimeError Io, NotWasm, Truncated, NotAComponent, UnsupportedImport, NoEntryPoint. */
export async function readComponent(file: string): Promise<{ readonly bytes: Buffer; readonly info: ComponentInfo }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new RuntimeError('Io', `${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== MAGIC) throw new RuntimeError('NotWasm', 'not a WebAssembly file: it does not begin with \\0asm');
  if (bytes.length < 8) throw truncated(bytes);
  if (bytes.readUInt16LE(6) !== 1) throw new RuntimeError('NotAComponent', 'this is a core module, not a component: adapt it with `jco new --wasi-command` or `jco new --wasi-reactor`');
  const [imports, exports]: string[][] = [[], []];
  const reader = new Reader(bytes, 8);
  while (reader.left > 0) {
    const id = reader.byte();
    const size = reader.u32();
    if (size > reader.left) throw truncated(bytes);
    const section = new Reader(bytes.subarray(0, reader.at + size), reader.at);
    reader.skip(size);
    if (id === IMPORTS) imports?.push(...section.imported());
    else if (id === EXPORTS) exports?.push(...section.exported());
  }
  return { bytes, info: judge(imports ?? [], exports ?? []) };
}

function judge(imports: readonly string[], exports: readonly string[]): ComponentInfo {
  const missing = imports.filter((name) => !OFFERED.test(name));
  if (missing.length > 0) throw new RuntimeError('UnsupportedImport', `the component imports what is not offered here: ${missing.join(', ')}`);
  const has = (prefix: string): boolean => exports.some((name) => name.startsWith(prefix));
  if (has('wasi:http/incoming-handler@0.2.')) return { kind: 'service', imports, exports };
  if (has('wasi:cli/run@0.2.')) return { kind: 'command', imports, exports };
  throw new RuntimeError('NoEntryPoint', `the component exports neither wasi:http/incoming-handler@0.2 nor wasi:cli/run@0.2 (it exports: ${exports.length === 0 ? 'nothing' : exports.join(', ')})`);
}

function truncated(bytes: Buffer): RuntimeError {
  return new RuntimeError('Truncated', `the file ends early, at ${bytes.length} bytes: fetch or build it again`);
}

class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(count: number): void {
    this.#at += count;
  }

  byte(): number {
    if (this.left < 1) throw truncated(this.#bytes);
    this.#at += 1;
    return this.#bytes[this.#at - 1] ?? 0;
  }

  /** LEB128. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw truncated(this.#bytes);
  }

  text(): string {
    const length = this.u32();
    if (length > this.left) throw truncated(this.#bytes);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at).toString('utf8');
  }

  /** `0x00`, or `0x01` with a description of a type. */
  #optionalDescription(): void {
    if (this.byte() === 1) this.#description();
  }

  #description(): void {
    const sort = this.byte();
    if (sort === 0) this.byte();
    // A type is bound to another by its index, or is abstract and has none.
    if (sort === 3 && this.byte() === 1) return;
    this.u32();
  }

  /** Of an import section: each name is followed by what it must be. */
  imported(): readonly string[] {
    return Array.from({ length: this.u32() }, () => {
      this.byte();
      const name = this.text();
      this.#description();
      return name;
    });
  }

  /** Of an export section: each name is followed by the index of what it is, and perhaps by how it is to be seen. */
  exported(): readonly string[] {
    return Array.from({ length: this.u32() }, () => {
      this.byte();
      const name = this.text();
      if (this.byte() === 0) this.byte();
      this.u32();
      this.#optionalDescription();
      return name;
    });
  }
}
