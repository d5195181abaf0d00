// The import arrows of the tree: who may import whom. A new package gets a line here, or nothing may be imported by it.
import { dirname, join } from 'node:path/posix';
import type { SourceFile } from './style.ts';

/** Package → packages it may import by name. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  api: [],
  client: ['api'],
  'control-plane': ['api', 'client'],
  'node-agent': ['api', 'client', 'runtime'],
  'wasm-runtime': [],
  cli: ['api', 'client'],
  bench: ['api', 'client', 'control-plane', 'node-agent', 'runtime'],
  test: ['api', 'client', 'control-plane', 'runtime'],
  tools: [],
};

/** Folder → sibling folders of its package it may import (rule: the narrow waist of the control plane). */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  'control-plane/storage': [],
  'control-plane/watch-cache': ['storage'],
  'control-plane/registry': ['storage', 'watch-cache'],
  'control-plane/server': ['registry', 'watch-cache'],
  'control-plane/controllers': [],
  'control-plane/scheduler': [],
  'control-plane/leader': ['storage'],
  'control-plane/artifacts': [],
  'control-plane/pki': [],
};

const IMPORT = /(?:from|import)\s*\(?\s*'([^']+)'/g;

/** Composition roots may load what they compose. */
const isRoot = (path: string): boolean => /^[a-z-]+\/main\.ts$|^cli\/processes\//.test(path);

/** One line for each forbidden import. */
export function arrowViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => [...text.matchAll(IMPORT)].flatMap(([, target]) => (target === undefined ? [] : judge(path, target))));
}

function judge(path: string, target: string): readonly string[] {
  const owner = path.split('/')[0] ?? '';
  const allowed = PACKAGES[owner];
  if (allowed === undefined) return [`${path}: package ${owner} has no arrows in tools/arrows.ts`];
  const named = /^@copepod\/([a-z-]+)/.exec(target)?.[1];
  if (named !== undefined) {
    return allowed.includes(named) || isRoot(path) ? [] : [`${path}: ${owner} may not import ${target}`];
  }
  if (owner === 'api' && target.startsWith('node:') && !path.endsWith('.test.ts')) return [`${path}: api runs anywhere, so it may not import ${target}`];
  return target.startsWith('.') ? judgeRelative(path, join(dirname(path), target)) : [];
}

function judgeRelative(path: string, resolved: string): readonly string[] {
  const [owner, folder] = path.split('/');
  const [targetOwner, targetFolder, ...rest] = resolved.split('/');
  if (owner !== targetOwner) return [`${path}: reaches into ${resolved} by path; import the package by name`];
  const own = `${owner}/${folder}`;
  if (folder === targetFolder || isRoot(path) || path.endsWith('.test.ts')) return [];
  const arrows = FOLDERS[own];
  if (arrows !== undefined && !arrows.includes(targetFolder ?? '')) return [`${path}: ${own} may not import ${resolved}`];
  if (rest.length > 0 && rest.at(-1) !== 'index.ts') return [`${path}: reaches past the index of ${owner}/${targetFolder}`];
  return [];
}
