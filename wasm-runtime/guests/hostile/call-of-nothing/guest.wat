;; Calls a function its table does not hold.
(module
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (table 4 funcref)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) (call_indirect (i32.const 2))))
