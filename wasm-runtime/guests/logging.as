// Logs ?message= (twice, at the lowest and the highest level) by wasi:logging.
import { query, Utf8 } from './kit/memory';
import { answer, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:logging/logging@0.1.0-draft", "log")
declare function log(level: i32, context: usize, contextLength: usize, message: usize, messageLength: usize): void;

export function handle(request: i32, out: i32): void {
  const message = new Utf8(query(path(request), 'message', 'hello'));
  const context = new Utf8('guest');
  log(0, context.at, context.length, message.at, message.length);
  log(5, context.at, 0, message.at, message.length);
  answer(out, 200, 'logged\n');
}
