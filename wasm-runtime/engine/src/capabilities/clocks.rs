//! Clocks. A guest sees milliseconds unless it asks for more: finer ones measure caches and neighbours (Spectre, rowhammer).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use super::{Capability, Grants};
use crate::error::EngineError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockResolution {
    #[default]
    Millisecond,
    Nanosecond,
}

const MILLISECOND: u64 = 1_000_000;

pub struct Clocks(ClockResolution);

impl Capability for Clocks {
    fn configure(grants: &Grants) -> Result<Self, EngineError> {
        Ok(Self(grants.clocks))
    }

    fn prepare(&self, context: &mut WasiCtxBuilder) {
        if self.0 == ClockResolution::Millisecond {
            context.wall_clock(Coarse).monotonic_clock(CoarseMonotonic(Instant::now()));
        }
    }
}

struct Coarse;

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(MILLISECOND)
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}

struct CoarseMonotonic(Instant);

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        MILLISECOND
    }

    fn now(&self) -> u64 {
        let nanos = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        nanos - nanos % MILLISECOND
    }
}
