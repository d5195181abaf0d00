//! How an instance ended, and how that is read off wasmtime's errors.

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::host::Host;
use crate::limits::Limit;

/// Functions named after a trap, innermost first.
const BACKTRACE_FRAMES: usize = 8;

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
    pub const COUNT: usize = 6;
    pub const ALL: [Self; Self::COUNT] = [Self::Completed, Self::Error, Self::Trap, Self::OomKilled, Self::DeadlineExceeded, Self::Stopped];

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

    /// Reads an error that came out of instantiation or a call, and counts the limit it met. Memory comes first: a guest whose
    /// allocator was refused usually traps afterwards, and the limit is what its owner must hear of.
    pub fn from_error(error: &wasmtime::Error, host: &Host) -> Self {
        let metrics = &host.workload().metrics;
        if let Some(wanted) = host.limiter.denied_bytes() {
            metrics.hit(Limit::Memory);
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
        let limits = &host.workload().spec.limits;
        let what = if host.limiter.denied_elements().is_some() {
            metrics.hit(Limit::TableElements);
            format!("limit of {} table elements reached", limits.table_elements)
        } else if is_handle_limit(error) {
            metrics.hit(Limit::Handles);
            format!("limit of {} handles reached", limits.handles)
        } else if matches!(error.downcast_ref::<FieldMapError>(), Some(FieldMapError::TotalSizeTooBig)) {
            metrics.hit(Limit::Headers);
            format!("limit of {} bytes of headers reached", limits.header_bytes)
        } else {
            error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), |trap| trap.to_string())
        };
        let places = error.downcast_ref::<WasmBacktrace>().map_or_else(Vec::new, |trace| {
            trace.frames().iter().take(BACKTRACE_FRAMES).map(|frame| frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned)).collect()
        });
        let place = if places.is_empty() { String::new() } else { format!(" in {}", places.join(" < ")) };
        Self { reason: ExitReason::Trap, exit_code: 134, message: format!("{what}{place}") }
    }
}

/// wasmtime has a type for a full table of host resources, and only words for a full table of component handles.
fn is_handle_limit(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) || error.root_cause().to_string().contains("store handle limit exceeded")
}
