// From WAT to what is delivered: a component in the world its imports and exports speak of, or a core module of preview 1 as it is.

import { mkdtemp, cp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco';

/** What a component's header has where a module has 1. */
const COMPONENT_LAYER = 0x0d;

/** `wit` is what `layWit` laid. */
export async function componentOf(wat: string, wit: string): Promise<Uint8Array> {
  const core = await parse(wat);
  if (core[4] === COMPONENT_LAYER) return core;
  const imported = [...wat.matchAll(/\(import "([^"]+)"/g)].map((match) => match[1] ?? '');
  const exported = [...wat.matchAll(/\(export "([^"]+)"/g)].map((match) => match[1] ?? '');
  if (exported.includes('_start')) return core;
  const witPath = await worldOf(imported, exported, wit);
  try {
    const embedded = await componentEmbed({ binary: core, witPath, world: 'guest', stringEncoding: 'utf8' });
    return imported.includes('wasi_snapshot_preview1') ? embedded : await componentNew(embedded, []);
  } finally {
    await rm(witPath, { recursive: true });
  }
}

async function worldOf(imported: readonly string[], exported: readonly string[], wit: string): Promise<string> {
  const imports = new Set(imported.filter((name) => name.includes(':') && !name.startsWith('[')));
  const interfaces = new Set(exported.filter((name) => name.includes('#')).map((name) => name.replaceAll(/\[[^\]]*\]/g, '').split('#')[0] ?? ''));
  const functions = exported.filter((name) => /^[a-z][a-z0-9-]*$/.test(name) && name !== 'memory');
  const lines = [...[...imports].map((name) => `import ${name};`), ...[...interfaces].map((name) => `export ${name};`), ...functions.map((name) => `export ${name}: func();`)];
  const folder = await mkdtemp(join(dirname(wit), 'world-'));
  await cp(wit, folder, { recursive: true });
  await writeFile(join(folder, 'world.wit'), `package copepod:guest;\nworld guest {\n${lines.join('\n')}\n}\n`);
  return folder;
}
