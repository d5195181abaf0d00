//! What a guest may reach beyond its own memory. Nothing is given that was not asked for. Each capability is linked once for an engine,
//! configured once for a workload (everything that can be refused is refused then), and prepared for an instance when its guest first
//! touches it: a guest that answers without looking at its environment pays for none.

pub mod clocks;
pub mod config;
pub mod egress;
pub mod environment;
pub mod filesystem;
pub mod keyvalue;
pub mod logging;
pub mod sockets;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use crate::error::EngineError;
use crate::host::Host;
use crate::logs::{LogStream, WorkloadLog};

pub use clocks::ClockResolution;
pub use filesystem::Mount;
pub use keyvalue::Bucket;
pub use sockets::{ListenGrant, Transport};

/// What a workload is granted. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// What it reads from standard input; nothing when empty.
    pub stdin: Vec<u8>,
    pub mounts: Vec<Mount>,
    /// Appended to host names that are not found as they are.
    pub search_domains: Vec<String>,
    /// `host:port`, `*.suffix:port`, `10.0.0.0/8:port`; the port may be `*`.
    pub egress: Vec<String>,
    /// Names it may look up: `host` or `*.suffix`. Those of `egress` are among them.
    pub names: Vec<String>,
    /// The only address it may listen on. None: it listens nowhere, whatever `listen` says.
    pub address: Option<IpAddr>,
    pub listen: Vec<ListenGrant>,
    pub config: BTreeMap<String, String>,
    pub buckets: Vec<Bucket>,
    pub clocks: ClockResolution,
}

/// The part of a capability that goes into an instance's WASI context.
trait Capability: Sized {
    /// Errors: BadGrant, naming what was asked for and why it cannot be had.
    fn configure(grants: &Grants) -> Result<Self, EngineError>;
    fn prepare(&self, context: &mut WasiCtxBuilder);
}

/// A workload's grants, resolved.
pub struct Capabilities {
    environment: environment::Environment,
    filesystem: filesystem::Filesystem,
    sockets: sockets::Sockets,
    clocks: clocks::Clocks,
    pub egress: egress::Egress,
    pub config: config::Config,
    pub keyvalue: keyvalue::Buckets,
}

impl Capabilities {
    /// Errors: BadGrant, Io.
    pub fn configure(grants: &Grants, stores: &keyvalue::Stores) -> Result<Self, EngineError> {
        Ok(Self {
            environment: Capability::configure(grants)?,
            filesystem: Capability::configure(grants)?,
            sockets: Capability::configure(grants)?,
            clocks: Capability::configure(grants)?,
            egress: egress::Egress::configure(grants)?,
            config: config::Config::configure(grants),
            keyvalue: keyvalue::Buckets::configure(grants, stores)?,
        })
    }

    /// The WASI context of one instance.
    pub fn prepare(&self, log: &Arc<WorkloadLog>) -> WasiCtx {
        let mut context = WasiCtxBuilder::new();
        context.stdout(LogStream { log: log.clone(), name: "stdout" }).stderr(LogStream { log: log.clone(), name: "stderr" });
        self.environment.prepare(&mut context);
        self.filesystem.prepare(&mut context);
        self.sockets.prepare(&mut context);
        self.clocks.prepare(&mut context);
        context.build()
    }

    pub fn sockets(&self) -> &sockets::Sockets {
        &self.sockets
    }
}

/// Links every capability. `concurrent`: for an engine that runs WASI 0.3.
pub fn link(linker: &mut Linker<Host>, concurrent: bool) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    if concurrent {
        wasmtime_wasi::p3::add_to_linker(linker)?;
    }
    // What follows takes the place of single functions and interfaces of the above.
    linker.allow_shadowing(true);
    link_streams(linker)?;
    filesystem::link(linker, concurrent)?;
    sockets::link(linker, concurrent)?;
    config::link(linker)?;
    keyvalue::link(linker)?;
    logging::link(linker)
}

struct Streams;

impl wasmtime::component::HasData for Streams {
    type Data<'a> = &'a mut wasmtime::component::ResourceTable;
}

/// wasmtime-wasi reaches the table of handles through the WASI context, which would make every instance that only streams have one.
fn link_streams(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::io;
    io::error::add_to_linker::<Host, Streams>(linker, Host::table)?;
    io::poll::add_to_linker::<Host, Streams>(linker, Host::table)?;
    io::streams::add_to_linker::<Host, Streams>(linker, Host::table)
}
