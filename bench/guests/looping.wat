;; A command that never ends and never waits. wasi:cli/run@0.2.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $again (br $again)) i32.const 0))
