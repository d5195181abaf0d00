// AssemblyScript to WAT, with the names wit-component wants of exports. Sources end in `.as`, so that nobody takes them for TypeScript.

import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { main } from 'assemblyscript/asc';

const ENTRY_POINTS: Readonly<Record<string, string>> = {
  handle: 'wasi:http/incoming-handler@0.2.12#handle',
  run: 'wasi:cli/run@0.2.12#run',
  handle3: 'wasi:http/handler@0.3.0#handle',
  run3: 'wasi:cli/run@0.3.0#run',
};

/** The entry point must be an exported `handle`, `run`, or either with a 3 for WASI 0.3, and `cabi_realloc` of kit/memory be exported with it. */
export async function compileAssemblyScript(source: string): Promise<string> {
  const root = dirname(dirname(import.meta.dirname));
  let text = '';
  let complaint = '';
  const entry = relative(root, source).replace(/\.as$/, '.ts');
  const { error } = await main([entry, '--baseDir', root, '--runtime', 'stub', '--use', 'abort=', '--debug', '--textFile', 'guest.wat'], {
    readFile: async (name, base) => readFile(join(base, name.replace(/\.ts$/, '.as')), 'utf8').catch(() => null),
    writeFile: (_, content) => {
      text = String(content);
    },
    listFiles: () => [],
    stderr: { write: (said: string | Uint8Array) => void (complaint += String(said)) },
  });
  if (error !== null) throw new Error(`${source}: ${complaint}`, { cause: error });
  return text.replaceAll(/\(export "(handle3?|run3?)" /g, (_, name: string) => `(export "${ENTRY_POINTS[name]}" `);
}
