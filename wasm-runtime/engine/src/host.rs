//! What one instance holds on the host's side.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::limits::MemoryLimiter;
use crate::outbound::Outbound;
use crate::workload::Workload;

/// Bytes one call may have the host copy for a guest (lists, strings), in which a small guest must not make a large host.
const HOSTCALL_BYTES: usize = 32 << 20;

pub struct Host {
    pub limiter: MemoryLimiter,
    workload: Arc<Workload>,
    table: ResourceTable,
    /// Made when first asked for.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    hooks: Outbound,
}

/// What a guest's own requests take from the one it is answering.
#[derive(Clone, Default)]
pub struct RequestContext {
    /// Services the request has passed.
    pub hops: u8,
    pub deadline: Option<Instant>,
    /// W3C Trace Context, passed on unless the guest says otherwise.
    pub traceparent: Option<HeaderValue>,
}

impl Host {
    fn new(workload: &Arc<Workload>, context: RequestContext) -> Self {
        let limits = &workload.spec.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_bytes);
        Self { limiter: MemoryLimiter::new(limits), table, wasi: None, http, hooks: Outbound::new(workload.clone(), context), workload: workload.clone() }
    }

    pub fn workload(&self) -> &Arc<Workload> {
        &self.workload
    }

    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    pub fn workload_and_table(&mut self) -> (&Workload, &mut ResourceTable) {
        (&self.workload, &mut self.table)
    }

    /// Whether a guest of WASI 0.2 left a body it began without saying that it is over.
    pub fn left_a_body(&mut self) -> bool {
        self.table.iter_mut().any(|entry| entry.is::<HostOutgoingBody>())
    }

    /// An instance that answers again does so for another request.
    pub fn begin(&mut self, context: RequestContext) {
        self.hooks.begin(context);
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let workload = &self.workload;
        let ctx = self.wasi.get_or_insert_with(|| Box::new(workload.capabilities.prepare(&workload.log)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// A store for one instance, limited and made to yield at each tick of the epoch clock.
pub fn new_store(engine: &Engine, workload: &Arc<Workload>, context: RequestContext) -> Store<Host> {
    let mut store = Store::new(engine, Host::new(workload, context));
    store.limiter(|host| &mut host.limiter);
    store.set_max_component_handles(workload.spec.limits.handles);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    workload.metrics.instance();
    store
}
