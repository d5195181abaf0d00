// Answers with its arguments, environment and standard input, one line each.
import { RET, textAt } from './kit/memory';
import { input } from './kit/io';
import { answer } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:cli/environment@0.2.12", "get-environment")
declare function getEnvironment(result: usize): void;
@external("wasi:cli/environment@0.2.12", "get-arguments")
declare function getArguments(result: usize): void;

export function handle(request: i32, out: i32): void {
  let text = 'args:';
  getArguments(RET);
  let list = load<usize>(RET);
  let count = load<i32>(RET, 4);
  for (let i = 0; i < count; i++) text += ' ' + textAt(list + i * 8);
  text += '\nenv:';
  getEnvironment(RET);
  list = load<usize>(RET);
  count = load<i32>(RET, 4);
  for (let i = 0; i < count; i++) text += ' ' + textAt(list + i * 16) + '=' + textAt(list + i * 16 + 8);
  answer(out, 200, text + '\nstdin: ' + input() + '\n');
}
