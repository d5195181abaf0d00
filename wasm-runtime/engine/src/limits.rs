//! How far a workload may go. Every limit has a default and a ceiling, none is ever absent, and each one counts how often it was met.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::error::{EngineError, ErrorCode};

/// Largest memory a workload may ask for; the pool's slots are made for it.
pub const MAX_MEMORY_BYTES: usize = 1 << 30;
/// Table elements of one table at most; the pool's slots are made for it. CPython and SpiderMonkey need about 10,000.
pub const MAX_TABLE_ELEMENTS: usize = 32_768;
/// Bytes.
pub const WASM_PAGE: usize = 64 * 1024;

/// Of one workload. Per instance: memory, tables, handles, sockets, files. Of all its instances together: the rest.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All linear memories of one instance.
    pub memory_bytes: usize,
    /// Elements of any one table.
    pub table_elements: usize,
    /// Wall time of one request.
    pub request_timeout: Duration,
    /// Thousandths of a core. Guests past it are paused, not ended.
    pub cpu_millis: u32,
    /// Requests under way; as many again may wait, further ones are refused.
    pub concurrency: usize,
    pub request_body_bytes: u64,
    pub response_body_bytes: u64,
    /// Names and values of all headers of a request, and of each set of headers a guest makes.
    pub header_bytes: usize,
    pub log_bytes_per_second: u64,
    /// Handles an instance may hold, of whatever kind.
    pub handles: usize,
    pub sockets: usize,
    pub files: usize,
    /// Requests to the outside that may be open at once.
    pub egress_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            memory_bytes: 64 << 20,
            table_elements: MAX_TABLE_ELEMENTS,
            request_timeout: Duration::from_secs(30),
            cpu_millis: u32::try_from(cores * 1000).unwrap_or(u32::MAX),
            concurrency: 1000,
            request_body_bytes: 16 << 20,
            response_body_bytes: 64 << 20,
            header_bytes: 32 << 10,
            log_bytes_per_second: 1 << 20,
            handles: 1024,
            sockets: 64,
            files: 64,
            egress_connections: 32,
        }
    }
}

impl Limits {
    /// Errors: LimitTooSmall, naming the limit and what it may be.
    pub fn check(&self) -> Result<(), EngineError> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(EngineError::new(ErrorCode::LimitTooSmall, format!("{name} limit of {value} is outside {least}..={most}")))
        };
        within("memory", self.memory_bytes as u64, WASM_PAGE as u64, MAX_MEMORY_BYTES as u64)?;
        within("table element", self.table_elements as u64, 1, MAX_TABLE_ELEMENTS as u64)?;
        within("request time (ms)", u64::try_from(self.request_timeout.as_millis()).unwrap_or(u64::MAX), 1, 24 * 3_600_000)?;
        within("cpu (millicores)", u64::from(self.cpu_millis), 1, 1_000_000)?;
        within("concurrency", self.concurrency as u64, 1, 1_000_000)?;
        within("header byte", self.header_bytes as u64, 256, 1 << 20)?;
        within("request body byte", self.request_body_bytes, 0, 1 << 40)?;
        within("response body byte", self.response_body_bytes, 0, 1 << 40)?;
        within("log byte", self.log_bytes_per_second, 1, 1 << 30)?;
        within("handle", self.handles as u64, 8, 1_000_000)?;
        within("socket", self.sockets as u64, 0, 65_536)?;
        within("file", self.files as u64, 0, 65_536)?;
        within("egress connection", self.egress_connections as u64, 0, 65_536)
    }
}

/// Which limit was met; the names are the façade's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Memory,
    TableElements,
    RequestTime,
    Cpu,
    Concurrency,
    RequestBody,
    ResponseBody,
    Headers,
    Log,
    Handles,
    Sockets,
    Files,
    Egress,
}

impl Limit {
    pub const ALL: [Self; 13] = [
        Self::Memory,
        Self::TableElements,
        Self::RequestTime,
        Self::Cpu,
        Self::Concurrency,
        Self::RequestBody,
        Self::ResponseBody,
        Self::Headers,
        Self::Log,
        Self::Handles,
        Self::Sockets,
        Self::Files,
        Self::Egress,
    ];

    /// The limit as the façade spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::TableElements => "tableElements",
            Self::RequestTime => "requestTime",
            Self::Cpu => "cpu",
            Self::Concurrency => "concurrency",
            Self::RequestBody => "requestBody",
            Self::ResponseBody => "responseBody",
            Self::Headers => "headers",
            Self::Log => "log",
            Self::Handles => "handles",
            Self::Sockets => "sockets",
            Self::Files => "files",
            Self::Egress => "egress",
        }
    }
}

/// Counts all linear memories of one instance against one limit, and every table against another.
pub struct MemoryLimiter {
    limit: usize,
    table_limit: usize,
    used: usize,
    denied: Option<usize>,
    table_denied: Option<usize>,
}

impl MemoryLimiter {
    pub fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, table_limit: limits.table_elements, used: 0, denied: None, table_denied: None }
    }

    pub fn limit_bytes(&self) -> usize {
        self.limit
    }

    /// Bytes the instance held at most: memories never shrink.
    pub fn used_bytes(&self) -> usize {
        self.used
    }

    /// The total that was asked for when growth was first refused.
    pub fn denied_bytes(&self) -> Option<usize> {
        self.denied
    }

    /// The elements that were asked for when a table was first refused.
    pub fn denied_elements(&self) -> Option<usize> {
        self.table_denied
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        if total > self.limit {
            self.denied.get_or_insert(total);
            return Ok(false);
        }
        self.used = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_limit {
            self.table_denied.get_or_insert(desired);
            return Ok(false);
        }
        Ok(true)
    }
}
