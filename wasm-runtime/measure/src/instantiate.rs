//! What making and dropping an instance costs: through the engine (its warm instances are made for exactly this) and with wasmtime directly, one batch of
//! each in turns. Making is told by the CPU time of the thread that does it, so that a busy machine does not show; dropping by the clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::direct::Direct;
use crate::memory::machine_bytes;
use crate::subject::{Subject, said};
use crate::{Failure, report};

/// Instances made one after the other, then dropped.
const BATCH: u32 = 64;
/// Of each side in one round, which makes one sample.
const BATCHES: usize = 20;
/// What hangs is said to hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// The engine's background threads.
const GUESTS: &str = "copepod-guests";
const MAKER: &str = "direct";

/// One instance of a batch, µs.
struct Each {
    made: f64,
    dropped: f64,
}

/// One side's figures, a sample for each round.
#[derive(Default)]
struct Figures {
    instantiate: Vec<f64>,
    made: Vec<f64>,
    dropped: Vec<f64>,
}

impl Figures {
    fn add(&mut self, round: &[Each]) {
        let (made, dropped) = (median(round.iter().map(|each| each.made)), median(round.iter().map(|each| each.dropped)));
        self.instantiate.push(made + dropped);
        self.made.push(made);
        self.dropped.push(dropped);
    }

    /// `instantiate`: made and dropped, as wasmtime's own benchmark counts it.
    fn report(&self, subject: &str) {
        report(subject, "instantiate", &self.instantiate);
        report(subject, "made", &self.made);
        report(subject, "dropped", &self.dropped);
    }
}

pub fn run(file: &Path, rounds: usize) -> Result<(), Failure> {
    let subject = Subject::open(file)?;
    // As the engine tunes it: a sixteenth of memory, if 256 slots were warm.
    let keep_resident = (machine_bytes()? / 16 / 256).clamp(64 << 10, 16 << 20) & !0xfff;
    let direct = Direct::open(file, keep_resident)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let maker = Builder::new_multi_thread().worker_threads(1).thread_name(MAKER).enable_all().build()?;
    let (mut ours, mut peer) = (Figures::default(), Figures::default());
    for round in 0..=rounds {
        let (mut own, mut other) = (Vec::with_capacity(BATCHES), Vec::with_capacity(BATCHES));
        for _ in 0..BATCHES {
            own.push(batch(&subject, &runtime)?);
            other.push(batch_directly(&direct, &maker)?);
        }
        // In the first one caches, slots and pages become what they stay.
        if round > 0 {
            ours.add(&own);
            peer.add(&other);
        }
    }
    ours.report("copepod");
    peer.report("wasmtime directly");
    Ok(())
}

/// A service that wants a batch of warm instances makes them on a background thread, one after the other.
fn batch(subject: &Subject, runtime: &Runtime) -> Result<Each, Failure> {
    let before = cpu_at_rest(GUESTS)?;
    let mut spec = subject.spec("measured");
    spec.warm = BATCH as usize;
    let service = subject.engine.service(&subject.component, spec, Box::new(|_| {})).map_err(said)?;
    let began = Instant::now();
    while service.stats().instances < u64::from(BATCH) {
        if began.elapsed() > PATIENCE {
            return Err(format!("{} of {BATCH} warm instances came in {PATIENCE:?}", service.stats().instances).into());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let made = cpu_at_rest(GUESTS)? - before;
    let began = Instant::now();
    runtime.block_on(service.stop(Duration::ZERO));
    Ok(Each { made: micros(made), dropped: micros(began.elapsed()) })
}

/// On a thread of their own and dropped on this one, as the engine's are.
fn batch_directly(direct: &Arc<Direct>, maker: &Runtime) -> Result<Each, Failure> {
    let before = cpu_at_rest(MAKER)?;
    let instances = maker.block_on(maker.spawn(direct.clone().make(BATCH)))??;
    let made = cpu_at_rest(MAKER)? - before;
    let began = Instant::now();
    drop(instances);
    Ok(Each { made: micros(made), dropped: micros(began.elapsed()) })
}

/// CPU time of all threads of this name, once they use no more of it.
fn cpu_at_rest(name: &str) -> Result<Duration, Failure> {
    let mut before = cpu_of(name)?;
    loop {
        std::thread::sleep(Duration::from_millis(1));
        let now = cpu_of(name)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

fn cpu_of(name: &str) -> Result<Duration, Failure> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == name {
            // Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            nanos += text.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

fn micros(batch: Duration) -> f64 {
    batch.as_secs_f64() * 1e6 / f64::from(BATCH)
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
