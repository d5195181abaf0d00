//! How large the pool of instances is, by what the machine has and allows.

use std::path::Path;

use rustix::process::{Resource, getrlimit};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use crate::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS};

/// Address space a memory reserves: with 4 GiB and the default guard no bounds check is compiled. Only address space, never memory.
const MEMORY_RESERVATION: u64 = 4 << 30;
const LEAST_SLOTS: u32 = 16;
/// SpiderMonkey's table of 10,000 elements fits.
const TABLE_KEEP_RESIDENT: usize = 128 << 10;
/// What one component may be made of.
pub const MAX_CORE_INSTANCES: u32 = 64;
pub const MAX_MEMORIES: u32 = 8;
pub const MAX_TABLES: u32 = 16;
/// Of the pool, for each instance it has room for. A component made by wit-component is three core modules with two tables and one memory.
const CORE_INSTANCES_EACH: u32 = 5;
const TABLES_EACH: u32 = 2;
/// Instances of WASI 0.2 for one of 0.3, which answers several requests at once. Linux gives a process 128 TiB of addresses in two halves, and 65,530 mappings
/// (vm.max_map_count) of which a stack takes two and a memory about three: 12,288 and 2,048 slots fit into both.
const PLAIN_FOR_EACH_CONCURRENT: u32 = 6;
/// A fiber's stack; what a guest itself may use of it is half a megabyte, wasmtime's default.
const STACK_BYTES: usize = 1 << 20;

/// Which pool, from the one a large machine gets to the one that takes what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    Slots(u32),
    /// No pool: every instance maps its own memory and checks its bounds. For machines that refuse to reserve address space.
    OnDemand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    pub pool: Pool,
    /// What a slot keeps mapped between two uses, so that the next guest faults no pages in.
    pub keep_resident: usize,
    /// For machines Cranelift makes no code for.
    pub interpreter: bool,
}

impl Tuning {
    /// From best to smallest; the first that the machine grants is taken.
    pub fn ladder(memory_bytes: u64, interpreter: bool) -> [Self; 4] {
        let slots = u32::try_from(memory_bytes >> 16).unwrap_or(u32::MAX).clamp(512, 12_288);
        // A quarter of memory, if 256 slots were warm; what is not used again is given back (`image.rs`).
        let keep_resident = usize::try_from(memory_bytes / 4 / 256).unwrap_or(usize::MAX).clamp(64 << 10, 16 << 20) & !0xfff;
        let with = |pool| Self { pool, keep_resident, interpreter };
        [with(Pool::Slots(slots)), with(Pool::Slots(slots / 8)), with(Pool::Slots(LEAST_SLOTS)), with(Pool::OnDemand)]
    }

    /// `concurrent`: for WASI 0.3. Its bookkeeping costs every instance about a third of its start, so the others do without.
    pub fn config(&self, concurrent: bool) -> Config {
        let mut config = base(self.interpreter, concurrent);
        match self.slots(concurrent) {
            None => {
                config.memory_reservation(0).memory_guard_size(0).memory_reservation_for_growth(1 << 20);
            }
            Some(slots) => {
                config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pooling(slots)));
            }
        }
        config
    }

    /// Of the pool for components of this kind; none where there is no pool.
    pub fn slots(&self, concurrent: bool) -> Option<u32> {
        match self.pool {
            Pool::OnDemand => None,
            Pool::Slots(slots) => Some(if concurrent { (slots / PLAIN_FOR_EACH_CONCURRENT).max(LEAST_SLOTS) } else { slots }),
        }
    }

    fn pooling(&self, slots: u32) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(slots)
            .total_core_instances(slots * CORE_INSTANCES_EACH)
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .total_memories(slots)
            .max_memories_per_component(MAX_MEMORIES)
            .max_memories_per_module(MAX_MEMORIES)
            .total_tables(slots * TABLES_EACH)
            .max_tables_per_component(MAX_TABLES)
            .max_tables_per_module(MAX_TABLES)
            .total_stacks(slots)
            .table_elements(MAX_TABLE_ELEMENTS)
            .max_memory_size(MAX_MEMORY_BYTES)
            .linear_memory_keep_resident(self.keep_resident)
            .table_keep_resident(TABLE_KEEP_RESIDENT)
            // Only pages that were written are put back, so that keeping many costs nothing where few are touched (Linux 6.7).
            .pagemap_scan(Enabled::Auto);
        pool
    }

    /// The same code as `config` would run, made without reserving a pool: for a process that only compiles.
    pub fn compiler_config(&self, concurrent: bool) -> Config {
        let mut config = base(self.interpreter, concurrent);
        if self.pool == Pool::OnDemand {
            config.memory_reservation(0).memory_guard_size(0).memory_reservation_for_growth(1 << 20);
        }
        config
    }
}

fn base(interpreter: bool, concurrent: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .wasm_component_model(true)
        .concurrency_support(concurrent)
        .wasm_component_model_async(concurrent)
        .epoch_interruption(true)
        .async_stack_size(STACK_BYTES)
        .memory_reservation(MEMORY_RESERVATION);
    if interpreter {
        // Known to every build; 64-bit little-endian is all that is built.
        let _ = config.target("pulley64");
    }
    config
}

/// Bytes this process may use: of the machine, its memory cgroup and its address space limit the least.
pub fn memory_bytes() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    });
    let address_space = getrlimit(Resource::As).current;
    [machine, cgroup_bytes(), address_space].into_iter().flatten().min().unwrap_or(512 << 20)
}

/// The smallest limit from this process's memory cgroup up to the root, of either version.
fn cgroup_bytes() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    own.lines().filter_map(|line| {
        // `0::/path` is version 2, `4:memory:/path` version 1.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            return least_limit(Path::new("/sys/fs/cgroup"), path, "memory.max");
        }
        if controllers.split(',').any(|controller| controller == "memory") {
            return least_limit(Path::new("/sys/fs/cgroup/memory"), path, "memory.limit_in_bytes");
        }
        None
    }).min()
}

fn least_limit(root: &Path, path: &str, file: &str) -> Option<u64> {
    let limit = |folder: &Path| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    root.join(path).ancestors().take_while(|folder| folder.starts_with(root)).filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{DefaultHasher, Hash, Hasher};

    fn compatibility(config: &Config) -> u64 {
        let engine = wasmtime::Engine::new(config).expect("an engine");
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn what_a_process_without_a_pool_compiles_is_for_the_one_with_it() {
        for interpreter in [false, true] {
            for concurrent in [false, true] {
                for tuning in &Tuning::ladder(256 << 20, interpreter)[1..] {
                    assert_eq!(compatibility(&tuning.config(concurrent)), compatibility(&tuning.compiler_config(concurrent)), "{tuning:?} {concurrent}");
                }
            }
        }
    }

    #[test]
    fn a_small_machine_gets_a_small_pool() {
        let [small, ..] = Tuning::ladder(128 << 20, false);
        assert_eq!(small, Tuning { pool: Pool::Slots(2048), keep_resident: 128 << 10, interpreter: false });
        let [large, smaller, ..] = Tuning::ladder(64 << 30, false);
        assert_eq!((large.pool, smaller.pool), (Pool::Slots(12_288), Pool::Slots(1536)));
    }
}
