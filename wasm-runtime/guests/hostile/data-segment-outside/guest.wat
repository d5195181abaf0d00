;; Has a segment that lies outside its memory.
(module
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (data (i32.const 65530) "outside of it")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)))
