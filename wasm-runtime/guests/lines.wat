;; A command: two lines on stdout (the second without its end), one on stderr, then success.
(module
  (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.12" "get-stderr" (func $stderr (result i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $put (param i32 i32 i32 i32)))
  (memory (export "memory") 1 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
  (data (i32.const 1024) "one\ntwo")
  (data (i32.const 1040) "oops\n")
  (func (export "wasi:cli/run@0.2.12#run") (result i32)
    (call $put (call $stdout) (i32.const 1024) (i32.const 7) (i32.const 16))
    (call $put (call $stderr) (i32.const 1040) (i32.const 5) (i32.const 16))
    i32.const 0))
