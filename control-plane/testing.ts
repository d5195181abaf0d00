// A control plane for tests, in this process: the real store, the real server, a log that keeps quiet.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './main.ts';

export interface TestPlane extends ControlPlane {
  readonly folder: string;
  /** What the server said went wrong inside it. */
  readonly errors: readonly unknown[];
}

export async function startTestPlane(t: TestContext, options: Partial<ControlPlaneOptions> = {}): Promise<TestPlane> {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-plane-'));
  const errors: unknown[] = [];
  const plane = await startControlPlane({
    dataDir: folder, store: 'lmdb', host: '127.0.0.1', apiPort: 0, extraNames: [],
    log: { info: () => {}, warn: () => {}, error: (fields, message) => void errors.push([message, fields]) }, ...options,
  });
  t.after(async () => {
    await plane.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ...plane, folder, errors };
}
