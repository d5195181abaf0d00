//! What making and dropping one instance costs: through the engine, with its limits, epochs and counters, and with wasmtime directly, a few of each in
//! turns on one thread.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::direct::Direct;
use crate::memory::machine_bytes;
use crate::subject::{Subject, said};
use crate::{Failure, report};

/// Of each side before it is the other's turn.
const TURN: usize = 100;
const TURNS: usize = 40;

/// One side's figures, µs, a sample of each for a round.
#[derive(Default)]
struct Figures {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Figures {
    fn add(&mut self, mut times: Vec<Duration>) {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
        self.p50.push(at(50));
        self.p99.push(at(99));
    }

    fn report(&self, subject: &str) {
        report(subject, "instantiate, p50", &self.p50);
        report(subject, "instantiate, p99", &self.p99);
    }
}

pub fn run(file: &Path, rounds: usize) -> Result<(), Failure> {
    let subject = Subject::open(file)?;
    // As the engine tunes it: a quarter of memory, if 256 slots were warm.
    let keep_resident = (machine_bytes()? / 4 / 256).clamp(64 << 10, 16 << 20) & !0xfff;
    let direct = Direct::open(file, keep_resident)?;
    let service = subject.engine.service(&subject.component, subject.spec("measured"), Box::new(|_| {})).map_err(said)?;
    let (mut ours, mut peer) = (Figures::default(), Figures::default());
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        for round in 0..=rounds {
            let (mut own, mut other) = (Vec::with_capacity(TURN * TURNS), Vec::with_capacity(TURN * TURNS));
            for _ in 0..TURNS {
                for _ in 0..TURN {
                    let began = Instant::now();
                    if !service.rehearse().await {
                        return Err(Failure::from("an instance was not made"));
                    }
                    own.push(began.elapsed());
                }
                for _ in 0..TURN {
                    let began = Instant::now();
                    direct.once().await?;
                    other.push(began.elapsed());
                }
            }
            // In the first one caches, slots and pages become what they stay.
            if round > 0 {
                ours.add(own);
                peer.add(other);
            }
        }
        Ok(())
    })?;
    ours.report("copepod");
    peer.report("wasmtime directly");
    Ok(())
}
