;; Tries to use up the stack of its thread, by calls a compiler cannot see through.
(module
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (type $f (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $deeper)
  (func $deeper (type $f) (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (i32.const 0))))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) (drop (call $deeper (i32.const 1)))))
