;; Begins with more memory than it may have, for a segment at its far end.
(module
  (memory (export "memory") 10000)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (data (i32.const 629145600) "far away")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)))
