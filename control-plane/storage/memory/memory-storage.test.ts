// The store in memory against the suite of every store.
import { storageSuite } from '../suite.ts';
import { createMemoryStorage } from './memory-storage.ts';

storageSuite('memory', (t) => {
  const storage = createMemoryStorage();
  t.after(() => storage.close());
  return storage;
});
