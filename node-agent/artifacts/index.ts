// Public names of the components' way to the node.
export type { ComponentSource, ComponentSourceOptions, Fetched } from './component-source.ts';
export { createComponentSource } from './component-source.ts';
export type { ImageErrorCode } from './image.ts';
export { ImageError, parseImage } from './image.ts';
