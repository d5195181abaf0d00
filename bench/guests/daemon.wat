;; A command that waits for a day: live, and idle. wasi:cli/run@0.2.
(module
  (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (func (export "wasi:cli/run@0.2.12#run") (result i32)
    (call $block (call $after (i64.const 86400000000000)))
    i32.const 0))
