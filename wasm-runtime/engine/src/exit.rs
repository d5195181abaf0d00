//! How an instance ended, and how that is read off wasmtime's errors.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::host::Host;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    Completed,
    Error,
    Trap,
    OomKilled,
    DeadlineExceeded,
    Stopped,
}

impl ExitReason {
    /// The reason as the façade spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Error => "Error",
            Self::Trap => "Trap",
            Self::OomKilled => "OOMKilled",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Stopped => "Stopped",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Exit {
    pub reason: ExitReason,
    /// 0 completed, 137 OOMKilled and Stopped, 124 DeadlineExceeded, 134 Trap, else the guest's own.
    pub exit_code: i32,
    pub message: String,
}

impl Exit {
    pub fn completed() -> Self {
        Self { reason: ExitReason::Completed, exit_code: 0, message: String::new() }
    }

    pub fn stopped() -> Self {
        Self { reason: ExitReason::Stopped, exit_code: 137, message: "stopped by the node".into() }
    }

    pub fn deadline(limit: std::time::Duration) -> Self {
        let message = format!("request took longer than {} ms", limit.as_millis());
        Self { reason: ExitReason::DeadlineExceeded, exit_code: 124, message }
    }

    pub fn guest(exit_code: i32, message: impl Into<String>) -> Self {
        Self { reason: ExitReason::Error, exit_code, message: message.into() }
    }

    /// Reads an error that came out of instantiation or a call. Memory comes first: a guest whose
    /// allocator was refused usually traps afterwards, and the limit is what its owner must hear of.
    pub fn from_error(error: &wasmtime::Error, host: &Host) -> Self {
        if let Some(wanted) = host.limiter.denied_bytes() {
            let limit = host.limiter.limit_bytes();
            let message = format!("memory limit of {limit} bytes reached: {wanted} bytes were asked for");
            return Self { reason: ExitReason::OomKilled, exit_code: 137, message };
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return match exit.0 {
                0 => Self::completed(),
                code => Self::guest(code, format!("exited with code {code}")),
            };
        }
        let what = error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), |trap| trap.to_string());
        let place = error
            .downcast_ref::<WasmBacktrace>()
            .and_then(|trace| trace.frames().first().map(|frame| frame.func_name().unwrap_or("an unnamed function").to_owned()))
            .map_or_else(String::new, |name| format!(" in {name}"));
        Self { reason: ExitReason::Trap, exit_code: 134, message: format!("{what}{place}") }
    }
}
