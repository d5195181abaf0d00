//! A workload's counters as they cross to JavaScript.

use std::collections::HashMap;

use copepod_engine as engine;
use napi_derive::napi;

#[napi(object)]
pub struct BindingStats {
    pub requests: f64,
    pub in_flight: f64,
    pub by_class: Vec<f64>,
    pub latency: Vec<f64>,
    pub latency_micros: f64,
    pub instances: f64,
    pub failures: f64,
    /// What happened at least once.
    pub failures_by_reason: HashMap<String, f64>,
    pub memory_high_water: f64,
    pub cpu_nanos: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
    /// What was met at least once.
    pub limit_hits: HashMap<String, f64>,
}

impl From<engine::Stats> for BindingStats {
    fn from(stats: engine::Stats) -> Self {
        let numbers = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect();
        let named = |names: &[&str], counts: &[u64]| names.iter().zip(counts).filter(|(_, count)| **count > 0).map(|(name, count)| ((*name).to_owned(), *count as f64)).collect();
        Self {
            requests: stats.requests as f64,
            in_flight: stats.in_flight as f64,
            by_class: numbers(&stats.by_class),
            latency: numbers(&stats.latency),
            latency_micros: stats.latency_micros as f64,
            instances: stats.instances as f64,
            failures: stats.failures.iter().sum::<u64>() as f64,
            failures_by_reason: named(&engine::ExitReason::ALL.map(engine::ExitReason::as_str), &stats.failures),
            memory_high_water: stats.memory_high_water as f64,
            cpu_nanos: stats.cpu_nanos as f64,
            bytes_in: stats.bytes_in as f64,
            bytes_out: stats.bytes_out as f64,
            limit_hits: named(&engine::Limit::ALL.map(engine::Limit::as_str), &stats.limit_hits),
        }
    }
}
