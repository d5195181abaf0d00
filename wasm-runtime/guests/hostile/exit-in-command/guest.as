// A command that exits with a failure.
export { cabi_realloc } from '../../kit/memory';

@external("wasi:cli/exit@0.2.12", "exit")
declare function exit(status: i32): void;

export function run(): i32 {
  exit(1);
  return 0;
}
