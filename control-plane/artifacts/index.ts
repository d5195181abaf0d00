// Public names of the component store.
export type { ArtifactStore, Manifest } from './artifact-store.ts';
export { ArtifactError, createArtifactStore } from './artifact-store.ts';
export { createArtifactRoutes } from './routes.ts';
