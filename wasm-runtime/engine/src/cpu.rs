//! CPU time: how long guests run, how much of a core a workload may have, and the clock that makes a busy guest yield.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::EngineWeak;

/// How often a busy guest is made to yield, which bounds how unfair it can be and how late a deadline is noticed.
pub const TICK: Duration = Duration::from_millis(2);
/// Idle ticks before the clock sleeps: an idle node wakes nobody.
const IDLE_TICKS: u32 = 50;
/// Ticks between two moments of upkeep while guests run: a minute.
const BUSY_TICKS: u32 = 30_000;
/// How long no guest must have run before the node is quiet.
const QUIET: Duration = Duration::from_secs(10);
/// A workload may use its share in advance for this long, as a cgroup's period lets it (CFS bandwidth: 100 ms).
const BURST: i64 = 100_000_000;

/// When upkeep is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Guests have been running for a minute.
    Busy,
    /// No guest has run for some seconds.
    Quiet,
}

/// Raises the epoch of every engine while a guest runs, and sleeps when none does.
pub struct EpochClock {
    running: AtomicUsize,
    parked: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl EpochClock {
    /// `upkeep` is called on the clock's own thread, and must return at once.
    pub fn start(engines: Vec<EngineWeak>, upkeep: impl Fn(Moment) + Send + 'static) -> std::io::Result<Arc<Self>> {
        let clock = Arc::new(Self { running: AtomicUsize::new(0), parked: AtomicBool::new(false), thread: std::sync::OnceLock::new() });
        let ticking = clock.clone();
        let handle = std::thread::Builder::new().name("copepod-epoch".into()).spawn(move || ticking.tick(&engines, &upkeep))?;
        let _ = clock.thread.set(handle.thread().clone());
        Ok(clock)
    }

    fn tick(&self, engines: &[EngineWeak], upkeep: &impl Fn(Moment)) {
        let (mut idle, mut busy) = (0, 0);
        loop {
            std::thread::sleep(TICK);
            let mut alive = false;
            for engine in engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    alive = true;
                }
            }
            if !alive {
                return;
            }
            busy += 1;
            if busy >= BUSY_TICKS {
                upkeep(Moment::Busy);
                busy = 0;
            }
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_TICKS {
                self.sleep(upkeep);
                (idle, busy) = (0, 0);
            }
        }
    }

    /// Until a guest begins.
    fn sleep(&self, upkeep: &impl Fn(Moment)) {
        self.parked.store(true, Ordering::SeqCst);
        // Looked at once more after saying so: a guest that began in between does not know that it should wake this thread.
        if self.running.load(Ordering::SeqCst) == 0 {
            let since = Instant::now();
            std::thread::park_timeout(QUIET);
            if since.elapsed() >= QUIET && self.running.load(Ordering::SeqCst) == 0 {
                upkeep(Moment::Quiet);
                std::thread::park_timeout(Duration::from_secs(3600));
            }
        }
        self.parked.store(false, Ordering::SeqCst);
    }

    fn enter(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    /// This thread's CPU time when it was last asked for, nanoseconds.
    static MARK: Cell<u64> = const { Cell::new(0) };
}

/// One stretch of a guest's running, from `begin` to `end`.
pub struct Stretch<'a> {
    clock: &'a EpochClock,
    began: Instant,
}

impl<'a> Stretch<'a> {
    pub fn begin(clock: &'a EpochClock) -> Self {
        clock.enter();
        Self { clock, began: Instant::now() }
    }

    /// CPU nanoseconds used. Wall time for a short stretch; for one long enough to have been preempted the thread's own CPU time, which
    /// costs a system call.
    pub fn end(self) -> u64 {
        let wall = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if wall < TICK.as_nanos() as u64 / 2 {
            return wall;
        }
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let now = time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs();
        wall.min(now.saturating_sub(MARK.replace(now)))
    }
}

impl Drop for Stretch<'_> {
    fn drop(&mut self) {
        self.clock.leave();
    }
}

/// A share of one core's time, as the generic cell rate algorithm counts it (ITU-T I.371): `due` is when all that was used would have been
/// earned. While it is more than the burst ahead of now, guests wait.
pub struct CpuShare {
    millis: i64,
    start: Instant,
    due: AtomicI64,
}

impl CpuShare {
    pub fn new(millis: u32) -> Self {
        Self { millis: i64::from(millis.max(1)), start: Instant::now(), due: AtomicI64::new(0) }
    }

    /// Accounts for time used, and says how long the workload must wait before it may run again.
    pub fn charge(&self, nanos: u64) -> Option<Duration> {
        self.charge_at(nanos, i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn charge_at(&self, nanos: u64, now: i64) -> Option<Duration> {
        let cost = i64::try_from(nanos).unwrap_or(i64::MAX / 1000).saturating_mul(1000) / self.millis;
        let earned = |due: i64| due.max(now).saturating_add(cost);
        let before = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(earned(due))).unwrap_or_default();
        let ahead = earned(before) - now - BURST;
        (ahead > 0).then(|| Duration::from_nanos(ahead.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_core_is_held_over_ten_seconds_within_a_tenth() {
        let share = CpuShare::new(250);
        let (mut now, mut used) = (0i64, 0u64);
        while now < 10_000_000_000 {
            let slice = 2_000_000;
            used += slice;
            now += slice as i64;
            if let Some(wait) = share.charge_at(slice, now) {
                now += i64::try_from(wait.as_nanos()).expect("a short wait");
            }
        }
        assert!((2_250_000_000..=2_750_000_000).contains(&used), "{used}");
    }

    #[test]
    fn what_stays_within_its_share_never_waits() {
        let share = CpuShare::new(500);
        for step in 0..1000 {
            assert_eq!(share.charge_at(1_000_000, step * 4_000_000), None);
        }
    }
}
