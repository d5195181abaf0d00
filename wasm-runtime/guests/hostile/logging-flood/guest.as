// Logs a megabyte a line without end.
export { cabi_realloc } from '../../kit/memory';

@external("wasi:logging/logging@0.1.0-draft", "log")
declare function log(level: i32, context: usize, contextLength: usize, message: usize, messageLength: usize): void;

export function handle(request: i32, out: i32): void {
  const message = heap.alloc(1000000);
  memory.fill(message, 120, 1000000);
  for (;;) log(4, message, 0, message, 1000000);
}
