// JavaScript to a component of WASI 0.3, on QuickJS.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile, cp } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ENTRY_POINTS: Readonly<Record<string, string>> = { handler: 'wasi:http/handler@0.3.0', run: 'wasi:cli/run@0.3.0' };

/** Its world follows from what it imports and from the name of its export: `handler` or `run`. */
export async function componentOfScript(source: string, out: string): Promise<Uint8Array> {
  const text = await readFile(source, 'utf8');
  const imports = [...text.matchAll(/from '(wasi:[^']+)'/g)].map((match) => `import ${match[1]};`);
  const exports = [...text.matchAll(/^export const (\w+)/gm)].map((match) => `export ${ENTRY_POINTS[match[1] ?? '']};`);
  const jco = dirname(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))));
  const folder = await mkdtemp(join(out, 'script-'));
  try {
    await cp(join(jco, 'lib', 'wit', 'builtin', '0.3.0'), join(folder, 'deps'), { recursive: true });
    await writeFile(join(folder, 'world.wit'), `package copepod:guest;\nworld guest {\n${[...imports, ...exports].join('\n')}\n}\n`);
    const target = join(folder, `${basename(source)}.wasm`);
    const tool = join(dirname(dirname(jco)), '.bin', 'componentize-qjs');
    await promisify(execFile)(tool, ['--wit', folder, '--world', 'guest', '--js', source, '--opt-size', '--output', target]);
    return await readFile(target);
  } finally {
    await rm(folder, { recursive: true });
  }
}
