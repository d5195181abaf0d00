// Public names of the output.
export type { Format } from './format.ts';
export { FORMATS, parseFormat, render } from './format.ts';
export { renderTable } from './table.ts';
