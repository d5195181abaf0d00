// The house rules a machine can hold: file names, forbidden names, length, the opening comment, and where time may come from.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const MAX_LINES = 600;
const FORBIDDEN_NAMES = /^(utils?|helpers?|common|misc|shared)$/;
const CLOCKS = /\bDate\.now\(|\bMath\.random\(|(?<!\.)\bsetTimeout\(|(?<!\.)\bsetInterval\(|\bprocess\.env\b|\bnew Date\(\)/;
const MAY_USE_CLOCKS = /(^|\/)main\.ts$|^client\/clock\/|^tools\/|^bench\/|^test\/|\.test\.ts$|\/suite\.ts$/;

/** Every TypeScript source of the workspaces and tools. */
export function sourceFiles(root: string): readonly SourceFile[] {
  return globSync('{api,client,control-plane,node-agent,wasm-runtime/src,wasm-runtime/guests,cli,bench,test,tools}/**/*.ts', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|build|target)\//.test(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** One line for each broken rule: `path: what is wrong and what would be right`. */
export function styleViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const found: string[] = [];
    const name = basename(path).replace(/(\.(test|bench|generated|d))*\.ts$/, '');
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) found.push(`${path}: file names are kebab-case`);
    if (path.split('/').some((part) => FORBIDDEN_NAMES.test(part.replace(/\..*$/, '')))) found.push(`${path}: name the job instead of utils, helpers, common, misc, shared`);
    const lines = text.split('\n').length;
    if (lines > MAX_LINES && !path.endsWith('.generated.ts')) found.push(`${path}: ${lines} lines; more than ${MAX_LINES} is two ideas`);
    if (!/^(#!.*\n)?\/\//.test(text)) found.push(`${path}: open with a comment that says what the file is`);
    if (CLOCKS.test(text) && !MAY_USE_CLOCKS.test(path)) found.push(`${path}: take time, randomness and environment from the caller (Clock in client/clock; main.ts reads the environment)`);
    return found;
  });
}
