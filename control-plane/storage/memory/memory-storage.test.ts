// The store in memory against the suite of every store.
import { storageSuite } from '../suite.ts';
import { createMemoryStorage } from './memory-storage.ts';

storageSuite('memory', () => createMemoryStorage({ window: 100 }));
