//! wasmtime used directly: the leanest host a component of these worlds can have, with the engine's settings of the pool and nothing of
//! what the engine adds (limits, epochs, capabilities, counters).

use std::path::Path;

use copepod_engine::inspect;
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView, default_hooks};

use crate::Failure;
use crate::subject::said;

/// Fewer than the engine has, since both share this process's address space; a slot costs the same in a small pool.
const SLOTS: u32 = 1024;

pub struct Host {
    table: ResourceTable,
    /// Made when first asked for, as the engine does.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(WasiCtx::builder().build()));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: default_hooks() }
    }
}

pub struct Direct {
    engine: Engine,
    pre: InstancePre<Host>,
}

impl Direct {
    /// Compiles the file. The bookkeeping of concurrent tasks is on where the component needs it, as in the engine.
    pub fn open(file: &Path, keep_resident: usize) -> Result<Self, Failure> {
        let bytes = std::fs::read(file)?;
        let concurrent = inspect(&bytes).map_err(said)?.concurrent;
        let engine = Engine::new(&config(concurrent, keep_resident))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        if concurrent {
            wasmtime_wasi::p3::add_to_linker(&mut linker)?;
            wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        }
        let pre = linker.instantiate_pre(&Component::new(&engine, &bytes)?)?;
        Ok(Self { engine, pre })
    }

    /// Makes an instance and drops it.
    pub async fn once(&self) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, Host { table: ResourceTable::new(), wasi: None, http: WasiHttpCtx::new() });
        self.pre.instantiate_async(&mut store).await?;
        Ok(())
    }
}

fn config(concurrent: bool, keep_resident: usize) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * 5)
        .max_core_instances_per_component(64)
        .total_memories(SLOTS)
        .max_memories_per_component(8)
        .max_memories_per_module(8)
        .total_tables(SLOTS * 2)
        .max_tables_per_component(16)
        .max_tables_per_module(16)
        .total_stacks(SLOTS)
        .table_elements(32_768)
        .max_memory_size(1 << 30)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(128 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(concurrent)
        .wasm_component_model_async(concurrent)
        .async_stack_size(1 << 20)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
