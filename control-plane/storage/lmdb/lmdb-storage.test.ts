// The LMDB store against the suite of every store.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageSuite } from '../suite.ts';
import { openLmdbStorage } from './lmdb-storage.ts';

storageSuite('lmdb', (t) => {
  const path = mkdtempSync(join(tmpdir(), 'copepod-lmdb-'));
  const storage = openLmdbStorage({ path });
  t.after(async () => {
    await storage.close();
    rmSync(path, { recursive: true, force: true });
  });
  return storage;
});
