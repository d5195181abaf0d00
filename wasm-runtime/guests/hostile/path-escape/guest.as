// Tries to get out of its mount: by .., by absolute paths, by links it makes.
import { answer } from '../../kit/http';
import { CREATE, open, preopens, READ, symlink, WRITE } from '../../kit/files';
export { cabi_realloc } from '../../kit/memory';

const WAYS = ['..', '../secret.txt', '/etc/passwd', 'way-out', 'a/../../secret.txt', './/..//secret.txt', '..\\secret.txt', '/proc/self/environ', 'link/secret.txt', 'link2'];

export function handle(request: i32, out: i32): void {
  const directory = preopens()[0].handle;
  symlink(directory, '..', 'link');
  symlink(directory, '../secret.txt', 'link2');
  symlink(directory, '/etc/passwd', 'way-out');
  for (let i = 0; i < WAYS.length; i++) {
    if (open(directory, WAYS[i], 0, READ) >= 0) return answer(out, 200, 'out by ' + WAYS[i]);
    if (open(directory, WAYS[i] + '-made', CREATE, WRITE) >= 0 && WAYS[i].includes('/')) return answer(out, 200, 'out by writing ' + WAYS[i]);
  }
  answer(out, 200, 'held');
}
