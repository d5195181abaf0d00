// Reads manifests: YAML or JSON, several documents, files, directories, or `-` for standard input. Everything is read and judged before
// anything is sent.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyKind, findKind, KINDS } from '@copepod/api/kinds';
import { isKubeObject, isRecord, type KubeObject } from '@copepod/api/meta';
import { closest } from '@copepod/api/schema';
import { parseAllDocuments } from 'yaml';
import { Failure } from './failure.ts';

export interface Manifest {
  readonly kind: AnyKind;
  readonly object: KubeObject;
  /** `file:line` of the document. */
  readonly where: string;
}

/** Failure names the file, the line and what is wrong. */
export function readManifests(paths: readonly string[]): readonly Manifest[] {
  return paths.flatMap(expand).flatMap((path) => parse(path, read(path)));
}

function expand(path: string): readonly string[] {
  if (path === '-' || statOf(path)?.isDirectory() !== true) return [path];
  return readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name)).sort().map((name) => join(path, name));
}

const statOf = (path: string): ReturnType<typeof statSync> | undefined => statSync(path, { throwIfNoEntry: false });

function read(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new Failure(`cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function parse(path: string, text: string): readonly Manifest[] {
  const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length;
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new Failure(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n')[0]}`);
    const value: unknown = document.toJS();
    if (value === null || value === undefined) return [];
    const where = `${path}:${lineOf(document.range?.[0] ?? 0)}`;
    if (isRecord(value) && value['kind'] === 'List' && Array.isArray(value['items'])) return value['items'].map((item: unknown) => judge(item, where));
    return [judge(value, where)];
  });
}

function judge(value: unknown, where: string): Manifest {
  if (!isRecord(value) || typeof value['apiVersion'] !== 'string' || typeof value['kind'] !== 'string') throw new Failure(`${where}: not a manifest: it needs apiVersion and kind`);
  const { apiVersion, kind: name } = value as { apiVersion: string; kind: string };
  const kind = findKind(apiVersion, name);
  if (kind === undefined) {
    const elsewhere = KINDS.find((known) => known.kind === name);
    const meant = elsewhere === undefined ? closest(name, KINDS.map((known) => known.kind)) : undefined;
    const hint = elsewhere !== undefined ? `${name} is of ${elsewhere.apiVersion}` : meant === undefined ? undefined : `did you mean ${meant}?`;
    throw new Failure(`${where}: there is no kind ${name} in ${apiVersion}`, { hint });
  }
  if (!isKubeObject(value) || (value.metadata.name ?? value.metadata.generateName) === undefined) throw new Failure(`${where}: ${name} needs metadata.name`);
  return { kind, object: value, where };
}
