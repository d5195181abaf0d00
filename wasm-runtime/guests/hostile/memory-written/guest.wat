;; Tries to make the host find real pages for all the memory it is allowed, each with something in it.
(module
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) (local $at i32)
    (loop $again
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (local.set $at (i32.shl (i32.sub (memory.size) (i32.const 1)) (i32.const 16)))
      (memory.fill (local.get $at) (i32.const 7) (i32.const 65536))
      (br $again))))
