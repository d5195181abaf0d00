// Public names of the local copies.
export type { Change, Informer, InformerOptions } from './informer.ts';
export { createInformer } from './informer.ts';
export type { Indexers, Store } from './store.ts';
