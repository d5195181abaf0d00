// Works on its mounts: / lists them, /read?in=&path=, /write?in=&path=&text=, /link?in=&path=&to=, /make?in=&path=, /open?in=&path=&n= opens that often and says how often it could.
import { number, query } from './kit/memory';
import { answer, path } from './kit/http';
import { content, CREATE, makeDirectory, open, overwrite, preopens, READ, symlink, WRITE } from './kit/files';
export { cabi_realloc } from './kit/memory';

function mount(name: string): i32 {
  const all = preopens();
  for (let i = 0; i < all.length; i++) if (all[i].name == name) return all[i].handle;
  return -1;
}

function done(error: i32): string {
  return error < 0 ? 'ok' : 'error ' + error.toString();
}

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  const directory = mount(query(wanted, 'in', '/data'));
  const name = query(wanted, 'path', '');
  let text = '';
  if (wanted.startsWith('/read')) {
    const file = open(directory, name, 0, READ);
    text = file < 0 ? 'error ' + (-1 - file).toString() : content(file);
  } else if (wanted.startsWith('/write')) {
    const file = open(directory, name, CREATE, WRITE);
    text = file < 0 ? 'error ' + (-1 - file).toString() : done(overwrite(file, query(wanted, 'text', '')));
  } else if (wanted.startsWith('/link')) {
    text = done(symlink(directory, query(wanted, 'to', ''), name));
  } else if (wanted.startsWith('/make')) {
    text = done(makeDirectory(directory, name));
  } else if (wanted.startsWith('/open')) {
    let opened = 0;
    const count = number(wanted, 'n', 1);
    for (let i = 0; i < count; i++) if (open(directory, name, 0, READ) >= 0) opened += 1;
    text = opened.toString();
  } else {
    const all = preopens();
    for (let i = 0; i < all.length; i++) text += all[i].name + '\n';
  }
  answer(out, 200, text);
}
