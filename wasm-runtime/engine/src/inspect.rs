//! Says what a file is before any of it is compiled: its kind, imports and exports, or why it cannot run here.

use wasmparser::{Chunk, Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::error::{EngineError, ErrorCode};

/// Interfaces the linker offers, as `package/` of a version track; everything else is refused by name.
const OFFERED: [(&str, &str); 17] = [
    ("wasi:cli/", "0.2."),
    ("wasi:clocks/", "0.2."),
    ("wasi:filesystem/", "0.2."),
    ("wasi:http/", "0.2."),
    ("wasi:io/", "0.2."),
    ("wasi:random/", "0.2."),
    ("wasi:sockets/", "0.2."),
    ("wasi:cli/", "0.3."),
    ("wasi:clocks/", "0.3."),
    ("wasi:filesystem/", "0.3."),
    ("wasi:http/", "0.3."),
    ("wasi:random/", "0.3."),
    ("wasi:sockets/", "0.3."),
    ("wasi:config/", "0.2.0-rc.1"),
    ("wasi:keyvalue/", "0.2.0-draft"),
    ("wasi:keyvalue/", "0.2.0-draft2"),
    ("wasi:logging/", "0.1.0-draft"),
];
/// A track that ends with a dot stands for every version below it.
const TRACK_END: char = '.';
/// Names in an error message; a hostile component has thousands.
const NAMED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Exports `wasi:http/incoming-handler@0.2` or `wasi:http/handler@0.3`: an instance for each request.
    Service,
    /// Exports `wasi:cli/run@0.2` or `@0.3`: one instance, run to its exit.
    Command,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInfo {
    pub kind: WorkloadKind,
    /// Speaks WASI 0.3, or uses the async of the component model: needs an engine that runs tasks side by side.
    pub concurrent: bool,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Validates a component and finds its entry point.
///
/// Errors: NotWasm, Truncated, NotAComponent, CompileFailed (invalid), UnsupportedImport (names all of them), NoEntryPoint.
pub fn inspect(bytes: &[u8]) -> Result<ComponentInfo, EngineError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(EngineError::new(ErrorCode::NotWasm, "not a WebAssembly file: it does not begin with \\0asm"));
    }
    let (imports, exports) = interfaces(bytes)?;
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(bytes)
        .map_err(|error| EngineError::new(ErrorCode::CompileFailed, format!("invalid component: {error}")))?;
    let missing: Vec<&str> = imports.iter().map(String::as_str).filter(|name| !offered(name)).collect();
    if !missing.is_empty() {
        let more = missing.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        let message = format!("the component imports what is not offered here: {}{more}", missing[..missing.len().min(NAMED)].join(", "));
        return Err(EngineError::new(ErrorCode::UnsupportedImport, message));
    }
    let has = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
    let kind = if has("wasi:http/incoming-handler@0.2.") || has("wasi:http/handler@0.3.") {
        WorkloadKind::Service
    } else if has("wasi:cli/run@0.2.") || has("wasi:cli/run@0.3.") {
        WorkloadKind::Command
    } else {
        let message = format!(
            "the component exports none of wasi:http/incoming-handler@0.2, wasi:http/handler@0.3, wasi:cli/run@0.2, wasi:cli/run@0.3 (it exports: {})",
            if exports.is_empty() { "nothing".to_owned() } else { exports[..exports.len().min(NAMED)].join(", ") }
        );
        return Err(EngineError::new(ErrorCode::NoEntryPoint, message));
    };
    let speaks_3 = imports.iter().chain(&exports).any(|name| name.starts_with("wasi:") && name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.3.")));
    let concurrent = speaks_3 || Validator::new_with_features(WasmFeatures::all() & !WasmFeatures::CM_ASYNC).validate_all(bytes).is_err();
    Ok(ComponentInfo { kind, concurrent, imports, exports })
}

fn offered(name: &str) -> bool {
    let Some((interface, version)) = name.split_once('@') else { return false };
    OFFERED.iter().any(|(package, track)| interface.starts_with(package) && if track.ends_with(TRACK_END) { version.starts_with(track) } else { version == *track })
}

/// Top-level imports and exports. Nested modules are skipped over, so the cost does not grow with their code.
fn interfaces(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let invalid = |error: wasmparser::BinaryReaderError| EngineError::new(ErrorCode::CompileFailed, format!("invalid component: {error}"));
    let truncated = || EngineError::new(ErrorCode::Truncated, format!("the file ends early, at {} bytes: fetch or build it again", bytes.len()));
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut parser = Parser::new(0);
    let mut offset = 0;
    while offset < bytes.len() {
        let (consumed, payload) = match parser.parse(&bytes[offset..], false).map_err(invalid)? {
            Chunk::NeedMoreData(_) => return Err(truncated()),
            Chunk::Parsed { consumed, payload } => (consumed, payload),
        };
        offset += consumed;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                let message = "this is a core module, not a component";
                return Err(EngineError::new(ErrorCode::NotAComponent, message));
            }
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                if unchecked_range.end > bytes.len() {
                    return Err(truncated());
                }
                offset = unchecked_range.end;
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    if offset < 8 {
        return Err(truncated());
    }
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_text_a_short_header_and_a_core_module_apart() {
        assert_eq!(inspect(b"#!/bin/sh").unwrap_err().code, ErrorCode::NotWasm);
        assert_eq!(inspect(b"\0asm").unwrap_err().code, ErrorCode::Truncated);
        assert_eq!(inspect(b"\0asm\x01\0\0\0").unwrap_err().code, ErrorCode::NotAComponent);
        assert_eq!(inspect(b"\0asm\x0d\0\x01\0").unwrap_err().code, ErrorCode::NoEntryPoint);
    }
}
