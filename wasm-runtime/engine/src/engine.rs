//! The engine: wasmtime configurations, their linkers, and what is shared by all workloads.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component as Compiled, Linker};

use crate::artifact::{Description, Trust, seal, verify};
use crate::capabilities;
use crate::cluster::Cluster;
use crate::command::Command;
use crate::compiler;
use crate::cpu::EpochClock;
use crate::error::{EngineError, ErrorCode};
use crate::exit::Exit;
use crate::host::Host;
use crate::image::{Image, Upkeep, map};
use crate::inspect::{ComponentInfo, WorkloadKind};
use crate::limits::{MAX_TABLE_ELEMENTS, WASM_PAGE};
use crate::logs::LogWriter;
use crate::room::Room;
use crate::service::Service;
use crate::tuning::{MAX_MEMORIES, MAX_TABLES, Pool, Tuning, memory_bytes};
use crate::workload::{Shared, Workload, WorkloadSpec};

/// Instances at once where there is no pool that bounds them.
const ON_DEMAND_INSTANCES: u32 = 512;

#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Runs Pulley bytecode instead of machine code: slower, and wherever Rust runs.
    pub interpreter: bool,
    /// 32 bytes from which the key is made that signs what this engine compiles; none: a key of this process alone.
    pub signing_seed: Option<Vec<u8>>,
    /// Ed25519 public keys whose compiled files are loaded beside the engine's own.
    pub trusted_keys: Vec<Vec<u8>>,
}

pub struct Engine {
    /// For WASI 0.2: without the bookkeeping of concurrent tasks.
    plain: Arc<Lane>,
    /// For WASI 0.3.
    concurrent: Arc<Lane>,
    upkeep: Arc<Upkeep>,
    tuning: Tuning,
    trust: Trust,
    logs: LogWriter,
    shared: Arc<Shared>,
}

/// One configuration of wasmtime, with its pool.
pub(crate) struct Lane {
    pub wasmtime: wasmtime::Engine,
    pub linker: Linker<Host>,
    room: Arc<Room>,
    compatibility: String,
}

impl Lane {
    fn open(tuning: &Tuning, concurrent: bool) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&tuning.config(concurrent))?;
        let mut linker = Linker::new(&wasmtime);
        capabilities::link(&mut linker, concurrent)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        if concurrent {
            wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        }
        let places = tuning.slots(concurrent).unwrap_or(ON_DEMAND_INSTANCES);
        let compatibility = compiler::compatibility(&wasmtime);
        Ok(Self { wasmtime, linker, room: Arc::new(Room::new(places)), compatibility })
    }
}

/// Compiled and pre-linked; shared by every workload started from it.
#[derive(Clone)]
pub struct Component {
    pub info: Arc<ComponentInfo>,
    pub(crate) image: Arc<Image>,
    pub(crate) room: Arc<Room>,
    /// Places one instance takes in the pool.
    pub(crate) weight: u32,
    table_elements: u64,
    memory_bytes: u64,
}

impl Engine {
    /// One for each process. Takes the largest pool the machine grants. Errors: Internal when it grants none, BadCertificate.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let trust = Trust::new(options.signing_seed.as_deref(), options.trusted_keys.clone())?;
        let mut refused = None;
        for tuning in Tuning::ladder(memory_bytes(), options.interpreter) {
            match Lane::open(&tuning, false).and_then(|plain| Ok((plain, Lane::open(&tuning, true)?))) {
                Ok((plain, concurrent)) => return Self::with(tuning, plain, concurrent, trust),
                Err(error) => refused = Some(error),
            }
        }
        let why = refused.map_or_else(String::new, |error| format!("{error:#}"));
        Err(EngineError::new(ErrorCode::Internal, format!("wasmtime does not start on this machine: {why}")))
    }

    fn with(tuning: Tuning, plain: Lane, concurrent: Lane, trust: Trust) -> Result<Self, EngineError> {
        let io = |error: std::io::Error| EngineError::new(ErrorCode::Internal, format!("no thread to be had: {error}"));
        let (plain, concurrent, upkeep) = (Arc::new(plain), Arc::new(concurrent), Arc::new(Upkeep::new(memory_bytes())));
        let lanes = [Arc::downgrade(&plain), Arc::downgrade(&concurrent)];
        let weak = vec![plain.wasmtime.weak(), concurrent.wasmtime.weak()];
        let keeper = upkeep.clone();
        let clock = EpochClock::start(weak, move |moment| keeper.clone().shrink(&lanes, moment)).map_err(io)?;
        let shared = Arc::new(Shared { cluster: Cluster::new(), clock, stores: Default::default() });
        Ok(Self { plain, concurrent, upkeep, tuning, trust, logs: LogWriter::start().map_err(io)?, shared })
    }

    /// Where this engine's requests go.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.shared.cluster
    }

    /// Names the configuration compiled files are made for; safe as a file name.
    pub fn compatibility(&self) -> String {
        format!("wasmtime-48-{}-{}", self.plain.compatibility, self.concurrent.compatibility)
    }

    /// `pooled` or `on-demand`, `native` or `pulley`: what the compiler's process is told.
    pub fn compiler_options(&self) -> (&'static str, &'static str) {
        let pool = if self.tuning.pool == Pool::OnDemand { "on-demand" } else { "pooled" };
        (pool, if self.tuning.interpreter { "pulley" } else { "native" })
    }

    /// Instances of WASI 0.2 components that may live at once.
    pub fn capacity(&self) -> u32 {
        self.plain.room.size()
    }

    /// Of the key that signs what this engine compiles.
    pub fn public_key(&self) -> &[u8] {
        self.trust.public_key()
    }

    /// Signs what the compiler's process left in `path`. Errors: Io.
    pub fn seal(&self, path: &Path, image_bytes: u64) -> Result<(), EngineError> {
        seal(path, image_bytes, &self.trust)
    }

    /// Compiles in this process, without its limits, to a signed file that must not exist. Errors: those of `inspect`, CompileFailed, Io.
    pub fn compile(&self, bytes: &[u8], path: &Path) -> Result<(), EngineError> {
        let compiled = compiler::compile(bytes, &self.tuning, &mut |_| {})?;
        compiler::write(path, &compiled).map_err(|error| EngineError::new(ErrorCode::Io, format!("{}: {error}", path.display())))?;
        self.seal(path, compiled.image.len() as u64)
    }

    /// Loads a compiled file by mapping it, once its signature is verified. Errors: IncompatibleArtifact, UnsupportedImport, TooComplex, Io.
    pub fn load(&self, path: &Path) -> Result<Component, EngineError> {
        let mut file = File::open(path).map_err(|error| EngineError::new(ErrorCode::Io, format!("{}: {error}", path.display())))?;
        let known = [&self.plain.compatibility, &self.concurrent.compatibility];
        let mut description = verify(path, &mut file, &self.trust, known[0]);
        if matches!(&description, Err(error) if error.code == ErrorCode::IncompatibleArtifact) {
            description = verify(path, &mut file, &self.trust, known[1]);
        }
        let Description { info, .. } = description?;
        let lane = if info.concurrent { &self.concurrent } else { &self.plain };
        // It is ours, and made for this engine: what may still be wrong with it is that the pool has no place so large.
        let too_large = |error: wasmtime::Error| EngineError::new(ErrorCode::TooComplex, format!("the component cannot be instantiated here: {error:#}"));
        let compiled = map(lane, &file).map_err(too_large)?;
        let size = Size::of(&compiled)?;
        let image = Arc::new(Image::new(lane.clone(), file, info.kind, &compiled)?);
        self.upkeep.watch(&image);
        Ok(Component { info: Arc::new(info), image, room: lane.room.clone(), weight: size.weight, table_elements: size.table_elements, memory_bytes: size.memory_bytes })
    }

    /// Makes a service ready to handle requests, and known to routes by its id. Errors: NoEntryPoint, LimitTooSmall, BadGrant, AlreadyExists, Io.
    pub fn service(&self, component: &Component, spec: WorkloadSpec, on_failure: Box<dyn Fn(Exit) + Send + Sync>) -> Result<Arc<Service>, EngineError> {
        let workload = self.configure(component, WorkloadKind::Service, spec)?;
        let service = Service::new(component.clone(), workload, on_failure);
        self.shared.cluster.add(&service)?;
        Ok(service)
    }

    /// Starts a command. Errors: NoEntryPoint, LimitTooSmall, BadGrant, Overloaded, Io.
    pub fn command(&self, component: &Component, spec: WorkloadSpec) -> Result<Arc<Command>, EngineError> {
        let workload = self.configure(component, WorkloadKind::Command, spec)?;
        Command::start(component.clone(), workload)
    }

    fn configure(&self, component: &Component, kind: WorkloadKind, spec: WorkloadSpec) -> Result<Arc<Workload>, EngineError> {
        if component.info.kind != kind {
            return Err(EngineError::new(ErrorCode::NoEntryPoint, format!("the component is a {:?}, not a {kind:?}", component.info.kind)));
        }
        let needs = |what: &str, needed: u64, limit: usize| {
            if needed <= limit as u64 {
                return Ok(());
            }
            Err(EngineError::new(ErrorCode::LimitTooSmall, format!("the component begins with {needed} {what}, and its limit is {limit}")))
        };
        needs("bytes in one memory", component.memory_bytes, spec.limits.memory_bytes)?;
        needs("elements in one table", component.table_elements, spec.limits.table_elements)?;
        let log = self.logs.open(spec.log.clone(), spec.limits.log_bytes_per_second);
        Workload::configure(spec, log, self.shared.clone())
    }
}

/// What one instance of a component takes of the pool.
struct Size {
    weight: u32,
    memory_bytes: u64,
    table_elements: u64,
}

impl Size {
    /// Errors: TooComplex, naming what there is too much of.
    fn of(compiled: &Compiled) -> Result<Self, EngineError> {
        let too = |what: String| EngineError::new(ErrorCode::TooComplex, format!("the component cannot be instantiated here: {what}"));
        // None: it imports core modules, which nothing here offers; linking says so.
        let Some(needs) = compiled.resources_required() else { return Ok(Self { weight: 1, memory_bytes: 0, table_elements: 0 }) };
        let table_elements = needs.max_initial_table_size.unwrap_or(0);
        let memory_bytes = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(WASM_PAGE as u64);
        if needs.num_memories > MAX_MEMORIES {
            return Err(too(format!("it has {} memories, of {MAX_MEMORIES} at most", needs.num_memories)));
        }
        if needs.num_tables > MAX_TABLES {
            return Err(too(format!("it has {} tables, of {MAX_TABLES} at most", needs.num_tables)));
        }
        if table_elements > MAX_TABLE_ELEMENTS as u64 {
            return Err(too(format!("a table begins with {table_elements} elements, of {MAX_TABLE_ELEMENTS} at most")));
        }
        let weight = needs.num_memories.max(needs.num_tables.div_ceil(2)).max(1);
        Ok(Self { weight, memory_bytes, table_elements })
    }
}

