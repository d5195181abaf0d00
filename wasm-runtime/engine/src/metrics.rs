//! What a workload has done, counted where it happens and read at any time: single atomic words, no lock, no order between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::exit::ExitReason;
use crate::limits::Limit;

/// Latency bucket `i` counts requests that took less than 2^i µs (and not less than half of it): 1 µs to 67 s.
pub const LATENCY_BUCKETS: usize = 27;

#[derive(Default)]
pub struct Metrics {
    requests: AtomicU64,
    by_class: [AtomicU64; 5],
    latency: [AtomicU64; LATENCY_BUCKETS],
    latency_micros: AtomicU64,
    instances: AtomicU64,
    failures: [AtomicU64; ExitReason::COUNT],
    memory_high_water: AtomicU64,
    cpu_nanos: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    limit_hits: [AtomicU64; Limit::ALL.len()],
}

/// One reading of them.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub requests: u64,
    pub in_flight: usize,
    /// Answers by status class, 1xx to 5xx.
    pub by_class: [u64; 5],
    pub latency: [u64; LATENCY_BUCKETS],
    /// Of all answers together.
    pub latency_micros: u64,
    pub instances: u64,
    /// Instances that ended other than well, by reason.
    pub failures: [u64; ExitReason::COUNT],
    /// Largest total of linear memories any instance reached, bytes.
    pub memory_high_water: u64,
    /// Time guests ran, nanoseconds.
    pub cpu_nanos: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// In the order of `Limit::ALL`.
    pub limit_hits: [u64; Limit::ALL.len()],
}

impl Metrics {
    pub fn started(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub fn answered(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.latency[bucket.min(LATENCY_BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.latency_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn instance(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failed(&self, reason: ExitReason) {
        self.failures[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn memory(&self, bytes: usize) {
        // Read first: the mark rises a few times in a workload's life, and a plain load does not take the line from other cores.
        if self.memory_high_water.load(Ordering::Relaxed) < bytes as u64 {
            self.memory_high_water.fetch_max(bytes as u64, Ordering::Relaxed);
        }
    }

    pub fn ran(&self, nanos: u64) {
        self.cpu_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn hit(&self, limit: Limit) {
        self.limit_hits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self, in_flight: usize) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: get(&self.requests),
            in_flight,
            by_class: self.by_class.each_ref().map(get),
            latency: self.latency.each_ref().map(get),
            latency_micros: get(&self.latency_micros),
            instances: get(&self.instances),
            failures: self.failures.each_ref().map(get),
            memory_high_water: get(&self.memory_high_water),
            cpu_nanos: get(&self.cpu_nanos),
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
            limit_hits: self.limit_hits.each_ref().map(get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_of_its_power_of_two() {
        let metrics = Metrics::default();
        for micros in [0, 1, 2, 3, 4, 1_000_000_000] {
            metrics.answered(200, Duration::from_micros(micros));
        }
        let stats = metrics.read(0);
        assert_eq!(stats.latency[..4], [1, 1, 2, 1]);
        assert_eq!(stats.latency[LATENCY_BUCKETS - 1], 1);
        assert_eq!(stats.by_class, [0, 6, 0, 0, 0]);
        assert_eq!(stats.latency_micros, 1_000_000_010);
    }
}
