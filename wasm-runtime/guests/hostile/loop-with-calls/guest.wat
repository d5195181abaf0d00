;; Tries to hold its thread for ever, calling a function each time round.
(module
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (func $idle)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) (loop $again (call $idle) (br $again))))
