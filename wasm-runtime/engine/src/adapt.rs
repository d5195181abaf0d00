//! Core modules of WASI preview 1 become components, with the adapters of the Bytecode Alliance: a command when they export `_start`, else a reactor
//! that exports what its embedded component type says.

use wasi_preview1_component_adapter_provider::{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::error::{EngineError, ErrorCode};

/// The component a core module is adapted to; none when the bytes are a component already, or no WebAssembly at all.
/// Errors: NotAComponent (a module that is neither a command nor made for an interface), UnsupportedImport, Truncated.
pub fn adapt(bytes: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
    if !bytes.starts_with(b"\0asm") || bytes.get(4..8) != Some(&[1, 0, 0, 0]) {
        return Ok(None);
    }
    let module = Module::read(bytes).map_err(|error| EngineError::new(ErrorCode::CompileFailed, format!("invalid module: {error}")))?;
    if !module.starts && !module.typed {
        let message = "this is a core module with neither a _start (a WASI command) nor an embedded component type: build it for wasm32-wasip1 or wasm32-wasip2, or make a component of it with `jco new`";
        return Err(EngineError::new(ErrorCode::NotAComponent, message));
    }
    if !module.typed && let Some(stranger) = module.imports.iter().find(|import| *import != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME) {
        return Err(EngineError::new(ErrorCode::UnsupportedImport, format!("the module imports from '{stranger}', which is not offered here: {WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME} is")));
    }
    let adapter = if module.starts { WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER } else { WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER };
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|mut encoder| encoder.encode());
    encoded.map(Some).map_err(|error| EngineError::new(ErrorCode::NotAComponent, format!("this core module cannot be made a component: {error:#}")))
}

#[derive(Default)]
struct Module {
    starts: bool,
    /// Carries a `component-type` section, as wit-bindgen leaves it.
    typed: bool,
    imports: Vec<String>,
}

impl Module {
    fn read(bytes: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        module.imports.push(import?.module.to_owned());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        module.starts |= export?.name == "_start";
                    }
                }
                Payload::CustomSection(section) => module.typed |= section.name().starts_with("component-type"),
                _ => {}
            }
        }
        Ok(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{WorkloadKind, inspect};

    /// `(module (memory (export "memory") 1) (func (export "_start")))`, as bytes.
    const COMMAND: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

    #[test]
    fn a_command_of_preview_1_becomes_one_of_preview_2() {
        let component = adapt(COMMAND).expect("adapted").expect("a component");
        assert_eq!(inspect(&component).expect("inspected").kind, WorkloadKind::Command);
    }

    #[test]
    fn what_is_neither_command_nor_reactor_is_refused_and_components_are_left_alone() {
        assert_eq!(adapt(b"\0asm\x01\0\0\0").expect_err("refused").code, ErrorCode::NotAComponent);
        assert_eq!(adapt(b"\0asm\x0d\0\x01\0").expect("nothing to do"), None);
        assert_eq!(adapt(b"hello").expect("nothing to do"), None);
    }
}
