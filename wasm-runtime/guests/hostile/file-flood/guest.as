// Tries to use up the descriptors of the process with files.
import { open, preopens, READ } from '../../kit/files';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const directory = preopens()[0].handle;
  for (let i = 0; i < 10000; i++) open(directory, 'file.txt', 0, READ);
  for (;;) continue;
}
