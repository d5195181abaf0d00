//! Bytes as a compiled file: none is mapped that this engine did not sign, so none of these is.
#![no_main]

use copepod_engine::{Engine, EngineOptions, ErrorCode};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineOptions::default()).unwrap_or_else(|error| panic!("{error}")))
}

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("copepod-fuzz-artifact-{}.cwasm", std::process::id()));
    std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{error}"));
    match engine().load(&path) {
        Err(error) => assert_eq!(error.code, ErrorCode::IncompatibleArtifact),
        Ok(_) => panic!("a file nobody signed was loaded"),
    }
});
