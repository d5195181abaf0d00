//! `copepod-compiler ADDON ARGUMENTS…`: loads the addon as a library and compiles. The machine code of Cranelift is there once, in the
//! addon, and this process is a few hundred kilobytes around it. Node would cost 40 ms and its own memory for each component.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(addon) = std::env::args().nth(1) else {
        eprintln!("usage: copepod-compiler ADDON INPUT OUTPUT pooled|on-demand native|pulley MEMORY-BYTES CPU-SECONDS");
        return ExitCode::from(2);
    };
    match compile(&addon) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("copepod-compiler: {addon}: {error}");
            ExitCode::from(2)
        }
    }
}

fn compile(addon: &str) -> Result<i32, libloading::Error> {
    // SAFETY: the path is the addon this program was built and placed with; its constructors only register what Node would ask for.
    let library = unsafe { libloading::Library::new(addon)? };
    // SAFETY: the addon's `compiler.rs` defines it with this signature.
    let compile = unsafe { library.get::<extern "C" fn() -> i32>(b"copepod_compile")? };
    Ok(compile())
}
