// The store in etcd against the suite of every store, on an etcd of the machine's. COPEPOD_ETCD names another binary than the PATH's.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { storageSuite } from '../suite.ts';
import { openEtcdStorage } from './etcd-storage.ts';
import { etcdVersion, type LocalEtcd, startLocalEtcd } from './local-etcd.ts';

const binary = process.env['COPEPOD_ETCD'] ?? 'etcd';
const version = etcdVersion(binary);

if (version === undefined) {
  test('etcd: the suite of every store', { skip: `no etcd to run: ${binary} is not on the PATH (Debian: apt-get install etcd-server)` }, () => {});
} else {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-etcd-'));
  let etcds = 0;
  const running = new Set<LocalEtcd>();
  after(async () => {
    await Promise.all([...running].map((etcd) => etcd.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  storageSuite(`etcd ${version}`, async (t) => {
    // One each: the revision counts all of an etcd, and the suite counts with it.
    etcds += 1;
    const etcd = await startLocalEtcd({ folder: join(folder, String(etcds)), binary });
    running.add(etcd);
    const storage = await openEtcdStorage({ endpoints: etcd.endpoints });
    t.after(async () => {
      await storage.close();
      await etcd.close();
      running.delete(etcd);
    });
    return storage;
  });
}
