// Answers with the configuration value ?key= names, or with all of them.
import { query, RET, textAt, Utf8 } from './kit/memory';
import { answer, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:config/store@0.2.0-rc.1", "get")
declare function get(at: usize, length: usize, result: usize): void;
@external("wasi:config/store@0.2.0-rc.1", "get-all")
declare function getAll(result: usize): void;

export function handle(request: i32, out: i32): void {
  const key = query(path(request), 'key', '');
  if (key == '') {
    getAll(RET);
    let text = '';
    const list = load<usize>(RET, 4);
    for (let i = 0; i < load<i32>(RET, 8); i++) text += textAt(list + i * 16) + '=' + textAt(list + i * 16 + 8) + '\n';
    return answer(out, 200, text);
  }
  const name = new Utf8(key);
  get(name.at, name.length, RET);
  if (load<u8>(RET) == 1) return answer(out, 500, 'error');
  if (load<u8>(RET, 4) == 0) return answer(out, 404, 'none');
  answer(out, 200, textAt(RET + 8));
}
