//! Bytes as a component or core module: inspected, adapted, and compiled when they pass. Whatever they are, the answer is a value.
#![no_main]

use copepod_engine::{Engine, EngineOptions};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineOptions::default()).unwrap_or_else(|error| panic!("{error}")))
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(adapted) = copepod_engine::adapt(bytes) else { return };
    let bytes = adapted.as_deref().unwrap_or(bytes);
    if copepod_engine::inspect(bytes).is_err() {
        return;
    }
    let path = std::env::temp_dir().join(format!("copepod-fuzz-{}.cwasm", std::process::id()));
    let _ = std::fs::remove_file(&path);
    if engine().compile(bytes, &path).is_ok() {
        let _ = engine().load(&path);
    }
});
