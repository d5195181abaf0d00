//! From a component, or a core module of preview 1, to machine code. Done in a process of its own (`main`), because a component can be made to
//! cost a compiler much time and memory, and because it is the largest piece of code that reads what strangers wrote.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmtime::Engine;

use crate::adapt::adapt;
use crate::artifact::{Description, digest_of};
use crate::error::{EngineError, ErrorCode};
use crate::inspect::inspect;
use crate::tuning::{Pool, Tuning};

/// What the compiler leaves: the image, then its description. It is signed by whoever asked for it.
pub struct Compiled {
    pub image: Vec<u8>,
    pub description: Description,
}

/// The lowest priority there is: what serves goes first.
const NICE: i32 = 19;

/// Compiles for an engine of this tuning. `progress` hears what is being done. Errors: those of `inspect`, CompileFailed.
pub fn compile(bytes: &[u8], tuning: &Tuning, progress: &mut dyn FnMut(&str)) -> Result<Compiled, EngineError> {
    progress("inspecting");
    let adapted = adapt(bytes)?;
    let bytes = adapted.as_deref().unwrap_or(bytes);
    let info = inspect(bytes)?;
    progress("compiling");
    let failed = |error: wasmtime::Error| EngineError::new(ErrorCode::CompileFailed, format!("cannot compile: {error:#}"));
    let engine = Engine::new(&tuning.compiler_config(info.concurrent)).map_err(failed)?;
    let image = engine.precompile_component(bytes).map_err(failed)?;
    let description = Description { compatibility: compatibility(&engine), digest: digest_of(bytes), info };
    Ok(Compiled { image, description })
}

/// Names everything that must be the same for code to run: wasmtime's version, target, CPU features, tunables.
pub fn compatibility(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The compiler as a process: `INPUT OUTPUT POOL(pooled|on-demand) CODE(native|pulley) MEMORY-BYTES CPU-SECONDS`. Says on standard output what it is doing, and
/// last `done IMAGE-BYTES` or `failed CODE MESSAGE`. Returns its exit code.
pub fn main(args: &[String]) -> i32 {
    let outcome = confined(args);
    let mut out = std::io::stdout().lock();
    let _ = match &outcome {
        Ok(image_bytes) => writeln!(out, "done {image_bytes}"),
        Err(error) => writeln!(out, "failed {} {}", error.code.as_str(), error.message.replace('\n', " ")),
    };
    i32::from(outcome.is_err())
}

fn confined(args: &[String]) -> Result<usize, EngineError> {
    let usage = || EngineError::new(ErrorCode::Internal, "usage: INPUT OUTPUT pooled|on-demand native|pulley MEMORY-BYTES CPU-SECONDS");
    let [input, output, pool, code, memory, seconds] = args else { return Err(usage()) };
    let limit = |resource, text: &str| -> Result<(), EngineError> {
        let most = Some(text.parse().map_err(|_| usage())?);
        setrlimit(resource, Rlimit { current: most, maximum: most }).map_err(|error| EngineError::new(ErrorCode::Internal, format!("the compiler cannot be limited: {error}")))
    };
    let _ = nice(NICE);
    limit(Resource::As, memory)?;
    limit(Resource::Cpu, seconds)?;
    limit(Resource::Core, "0")?;
    let pool = if pool == "on-demand" { Pool::OnDemand } else { Pool::Slots(1) };
    let tuning = Tuning { pool, keep_resident: 0, interpreter: code == "pulley" };
    let io = |path: &str, error: std::io::Error| EngineError::new(ErrorCode::Io, format!("{path}: {error}"));
    let bytes = std::fs::read(input).map_err(|error| io(input, error))?;
    let compiled = compile(&bytes, &tuning, &mut |step| println!("progress {step}"))?;
    println!("progress writing");
    write(Path::new(output), &compiled).map_err(|error| io(output, error))?;
    Ok(compiled.image.len())
}

/// Image and description, not yet signed. The file must not exist.
pub fn write(path: &Path, compiled: &Compiled) -> std::io::Result<()> {
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(&compiled.image)?;
    file.write_all(compiled.description.encode().as_bytes())
}
