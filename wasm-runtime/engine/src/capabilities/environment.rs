//! Arguments, environment variables, standard input.

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use super::{Capability, Grants};
use crate::error::{EngineError, ErrorCode};

pub struct Environment {
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: bytes::Bytes,
}

impl Capability for Environment {
    fn configure(grants: &Grants) -> Result<Self, EngineError> {
        if let Some((name, _)) = grants.env.iter().find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')) {
            return Err(EngineError::new(ErrorCode::BadGrant, format!("environment variable '{}' cannot be set: a name has no '=' and neither has a NUL", name.escape_debug())));
        }
        Ok(Self { args: grants.args.clone(), env: grants.env.clone(), stdin: grants.stdin.clone().into() })
    }

    fn prepare(&self, context: &mut WasiCtxBuilder) {
        context.args(&self.args).envs(&self.env);
        if !self.stdin.is_empty() {
            context.stdin(MemoryInputPipe::new(self.stdin.clone()));
        }
    }
}
