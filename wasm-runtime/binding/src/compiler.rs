//! The compiler's way in for a process that is no Node: `compiler/` loads this addon as a library and calls it.

/// Compiles what the process's arguments after the addon's path say; returns the process's exit code.
#[unsafe(no_mangle)]
pub extern "C" fn copepod_compile() -> i32 {
    let args: Vec<String> = std::env::args().skip(2).collect();
    copepod_engine::compiler::main(&args)
}
