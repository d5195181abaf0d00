;; Gives the host text that is none.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (data (i32.const 64) "\ff\fe\80")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (call $append (call $fields) (i32.const 64) (i32.const 3) (i32.const 64) (i32.const 3) (i32.const 0))
    unreachable))
