;; A component that is neither a service nor a command.
(module (memory (export "memory") 1) (func (export "idle")))
