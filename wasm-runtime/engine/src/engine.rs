//! The engine: one wasmtime configuration, its linker, its epoch clock, and the artefacts made for exactly this configuration.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component as Compiled, InstancePre, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::cluster::Cluster;
use crate::command::Command;
use crate::error::{EngineError, ErrorCode};
use crate::host::{Host, MAX_TABLE_ELEMENTS};
use crate::inspect::{ComponentInfo, WorkloadKind, inspect};
use crate::logs::{LogWriter, WorkloadLog};
use crate::service::Service;
use crate::{WorkloadSpec, exit::Exit};

/// How often a busy guest is made to yield, which bounds both its unfairness and how late a deadline is noticed.
const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Instances alive at once; further requests wait for one to end.
pub(crate) const MAX_INSTANCES: u32 = 1000;
/// What one component may be made of. The pool holds this much for each instance, so that no component takes a neighbour's share.
const MAX_CORE_INSTANCES: u32 = 20;
const MAX_MEMORIES: u32 = 4;
const MAX_TABLES: u32 = 10;
/// Largest limit a workload may ask for.
const MAX_MEMORY_BYTES: usize = 1 << 30;
/// Address space a memory reserves: with 4 GiB and the default guard no bounds check is compiled. Only address space, never memory.
const MEMORY_RESERVATION: u64 = 4 << 30;
/// What an instance's slot keeps mapped between two uses, so that a small guest faults no pages in (64 KiB as measured with a 6 KB guest).
const KEEP_RESIDENT: usize = 64 * 1024;

pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: Linker<Host>,
    logs: LogWriter,
    compatibility: String,
    cluster: Arc<Cluster>,
}

/// Compiled and pre-linked; shared by every workload started from it.
#[derive(Clone)]
pub struct Component {
    pub info: Arc<ComponentInfo>,
    pre: InstancePre<Host>,
}

impl Engine {
    /// One for each process. Errors: Internal when the machine refuses the address space.
    pub fn new() -> Result<Self, EngineError> {
        let internal = |error: wasmtime::Error| EngineError::new(ErrorCode::Internal, format!("wasmtime does not start: {error:#}"));
        let wasmtime = wasmtime::Engine::new(&configuration()).map_err(internal)?;
        let mut linker = Linker::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(internal)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(internal)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker).map_err(internal)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).map_err(internal)?;
        let io = |error: std::io::Error| EngineError::new(ErrorCode::Internal, format!("no thread to be had: {error}"));
        let weak = wasmtime.weak();
        std::thread::Builder::new()
            .name("copepod-epoch".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(EPOCH_TICK);
                }
            })
            .map_err(io)?;
        let mut hasher = DefaultHasher::new();
        wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = format!("wasmtime-48-{:016x}", hasher.finish());
        Ok(Self { wasmtime, linker, logs: LogWriter::start().map_err(io)?, compatibility, cluster: Cluster::new() })
    }

    /// Where this engine's requests go.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Names the configuration artefacts are made for; safe as a file name.
    pub fn compatibility(&self) -> &str {
        &self.compatibility
    }

    /// Compiles a component to machine code. Errors: those of `inspect`, CompileFailed.
    pub fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, EngineError> {
        let info = inspect(bytes)?;
        let code = self
            .wasmtime
            .precompile_component(bytes)
            .map_err(|error| EngineError::new(ErrorCode::CompileFailed, format!("cannot compile: {error:#}")))?;
        Ok(artifact::write(&self.compatibility, &info, &code))
    }

    /// Loads what `compile` returned. Errors: IncompatibleArtifact, UnsupportedImport, Io.
    pub fn load(&self, file: &Path) -> Result<Component, EngineError> {
        let bytes = std::fs::read(file).map_err(|error| EngineError::new(ErrorCode::Io, format!("{}: {error}", file.display())))?;
        let foreign = |why: &str| EngineError::new(ErrorCode::IncompatibleArtifact, format!("{}: {why}; compile the component again", file.display()));
        let (info, code) = artifact::read(&self.compatibility, &bytes).map_err(foreign)?;
        // SAFETY: deserialising runs what the file holds as machine code. The header was written by `compile` with this very
        // configuration, its checksum covers the code, and the directory is writable by the node's own user alone.
        let compiled = unsafe { Compiled::deserialize(&self.wasmtime, code) }.map_err(|error| foreign(&format!("{error:#}")))?;
        let pre = self
            .linker
            .instantiate_pre(&compiled)
            .map_err(|error| EngineError::new(ErrorCode::UnsupportedImport, format!("cannot link: {error:#}")))?;
        Ok(Component { info: Arc::new(info), pre })
    }

    /// Makes a service ready to handle requests, and known to routes by its id. Errors: NoEntryPoint, LimitTooSmall, AlreadyExists.
    pub fn service(&self, component: &Component, spec: WorkloadSpec, on_failure: Box<dyn Fn(Exit) + Send + Sync>) -> Result<Arc<Service>, EngineError> {
        expect(component, WorkloadKind::Service)?;
        check_limits(&spec)?;
        let log = self.logs.open(spec.log.clone());
        let service = Service::new(component.pre.clone(), spec, log, self.cluster.clone(), on_failure)?;
        self.cluster.add(&service)?;
        Ok(service)
    }

    /// Starts a command on the current tokio runtime. Errors: NoEntryPoint, LimitTooSmall, Overloaded.
    pub fn command(&self, component: &Component, spec: WorkloadSpec) -> Result<Arc<Command>, EngineError> {
        expect(component, WorkloadKind::Command)?;
        check_limits(&spec)?;
        let log = self.logs.open(spec.log.clone());
        Command::start(component.pre.clone(), spec, &log, &self.cluster)
    }
}

/// A store for one instance, limited and made to yield at each tick of the epoch clock.
/// `hops`: how many Services the request this instance is for has passed.
pub(crate) fn new_store(pre: &InstancePre<Host>, spec: &WorkloadSpec, log: &Arc<WorkloadLog>, cluster: &Arc<Cluster>, hops: u8) -> Store<Host> {
    let mut store = Store::new(pre.engine(), Host::new(spec, log, cluster, hops));
    store.limiter(|host| &mut host.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store
}

fn expect(component: &Component, kind: WorkloadKind) -> Result<(), EngineError> {
    if component.info.kind == kind {
        return Ok(());
    }
    Err(EngineError::new(ErrorCode::NoEntryPoint, format!("the component is a {:?}, not a {kind:?}", component.info.kind)))
}

fn check_limits(spec: &WorkloadSpec) -> Result<(), EngineError> {
    const PAGE: usize = 64 * 1024;
    if (PAGE..=MAX_MEMORY_BYTES).contains(&spec.memory_bytes) {
        return Ok(());
    }
    let message = format!("memory limit of {} bytes is outside {PAGE}..={MAX_MEMORY_BYTES}", spec.memory_bytes);
    Err(EngineError::new(ErrorCode::LimitTooSmall, message))
}

fn configuration() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * MAX_CORE_INSTANCES)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .total_memories(MAX_INSTANCES * MAX_MEMORIES)
        .max_memories_per_component(MAX_MEMORIES)
        .total_tables(MAX_INSTANCES * MAX_TABLES)
        .max_tables_per_component(MAX_TABLES)
        .total_stacks(MAX_INSTANCES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(MAX_MEMORY_BYTES)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(4096);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .memory_reservation(MEMORY_RESERVATION)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The file `compile` makes: `copepod1`, a checksum of all that follows, then length-prefixed compatibility, kind, imports, exports, and the code.
mod artifact {
    use super::{ComponentInfo, WorkloadKind};

    const MAGIC: &[u8; 8] = b"copepod1";

    pub fn write(compatibility: &str, info: &ComponentInfo, code: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(code.len() + 1024);
        let kind = match info.kind {
            WorkloadKind::Service => "service",
            WorkloadKind::Command => "command",
        };
        for text in [compatibility, kind, &info.imports.join("\n"), &info.exports.join("\n")] {
            body.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        body.extend_from_slice(code);
        let mut file = Vec::with_capacity(body.len() + 16);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&checksum(&body).to_le_bytes());
        file.extend_from_slice(&body);
        file
    }

    pub fn read<'a>(compatibility: &str, file: &'a [u8]) -> Result<(ComponentInfo, &'a [u8]), &'static str> {
        let body = file.strip_prefix(MAGIC).ok_or("not a compiled component")?;
        let (sum, mut rest) = body.split_first_chunk::<8>().ok_or("the file ends early")?;
        if u64::from_le_bytes(*sum) != checksum(rest) {
            return Err("its checksum does not match");
        }
        if text(&mut rest)? != compatibility {
            return Err("compiled by another engine, version or tuning");
        }
        let kind = match text(&mut rest)? {
            "service" => WorkloadKind::Service,
            "command" => WorkloadKind::Command,
            _ => return Err("of a kind unknown here"),
        };
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        let (imports, exports) = (lines(text(&mut rest)?), lines(text(&mut rest)?));
        Ok((ComponentInfo { kind, imports, exports }, rest))
    }

    fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, &'static str> {
        let (length, tail) = rest.split_first_chunk::<4>().ok_or("the file ends early")?;
        let (text, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("the file ends early")?;
        *rest = tail;
        std::str::from_utf8(text).map_err(|_| "its header is not text")
    }

    /// FNV-1a over 8-byte words: finds accidents (torn writes, bit rot), not attackers.
    fn checksum(bytes: &[u8]) -> u64 {
        let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        let mut words = bytes.chunks_exact(8);
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for word in &mut words {
            hash = mix(hash, u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]));
        }
        words.remainder().iter().fold(mix(hash, bytes.len() as u64), |hash, &byte| mix(hash, u64::from(byte)))
    }
}
