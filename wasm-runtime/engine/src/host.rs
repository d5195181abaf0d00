//! What one instance holds on the host's side. A guest gets its arguments, its environment and two log streams;
//! no file, no socket, no name lookup; its requests go where `outbound` lets them.

use std::sync::Arc;

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::WorkloadSpec;
use crate::cluster::Cluster;
use crate::logs::{LogStream, WorkloadLog};
use crate::outbound::Outbound;

/// Table elements of one table; wasmtime's pool is sized to the same number.
pub const MAX_TABLE_ELEMENTS: usize = 100_000;

pub struct Host {
    pub limiter: MemoryLimiter,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Outbound,
}

impl Host {
    pub fn new(spec: &WorkloadSpec, log: &Arc<WorkloadLog>, cluster: &Arc<Cluster>, hops: u8) -> Self {
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(LogStream { log: log.clone(), name: "stdout" }).stderr(LogStream { log: log.clone(), name: "stderr" });
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        if !spec.args.is_empty() {
            wasi.args(&spec.args);
        }
        if !spec.env.is_empty() {
            wasi.envs(&spec.env);
        }
        Self {
            limiter: MemoryLimiter { limit: spec.memory_bytes, used: 0, denied: None },
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: Outbound::new(cluster.clone(), spec.network.clone(), hops),
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Counts all linear memories of one instance against one limit.
pub struct MemoryLimiter {
    limit: usize,
    used: usize,
    denied: Option<usize>,
}

impl MemoryLimiter {
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
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
