// Public names of the registry.
export type { Ref } from './keys.ts';
export { collectionPrefix, objectStorageKey, qualifiedKind, qualifiedResource } from './keys.ts';
export type { DeleteOptions, Page, PageOptions, Part, PropagationPolicy, Registry, RegistryOptions, UpdateOptions, WriteOptions } from './registry.ts';
export { createRegistry } from './registry.ts';
