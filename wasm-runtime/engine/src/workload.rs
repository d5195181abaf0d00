//! What all instances of a workload share: its specification, resolved capabilities, counters, log and share of the CPU.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::capabilities::{Capabilities, Grants};
use crate::cluster::Cluster;
use crate::cpu::{CpuShare, EpochClock};
use crate::error::EngineError;
use crate::limits::{Limit, Limits};
use crate::logs::{LogTarget, WorkloadLog};
use crate::metrics::{Metrics, Stats};

/// What one workload is given and how far it may go. `Engine::service` and `Engine::command` take it.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// Unique among the workloads of an engine; routes name it.
    pub id: String,
    pub grants: Grants,
    pub limits: Limits,
    pub reuse: Reuse,
    /// Instances made ready before a request asks for them.
    pub warm: usize,
    pub log: LogTarget,
    /// A line for each request in its log.
    pub access_log: bool,
}

/// Whether an instance answers more than one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// A fresh one each time: nothing of a request is there in the next.
    #[default]
    Request,
    /// The same one again and, for WASI 0.3, for several at once.
    Pooled {
        /// Requests one instance answers in its life.
        max: u32,
        /// How long it is kept without one.
        idle: Duration,
        /// Requests one instance answers at the same time (WASI 0.3 alone).
        concurrent: u32,
    },
}

pub struct Workload {
    pub spec: WorkloadSpec,
    pub capabilities: Capabilities,
    pub metrics: Metrics,
    pub cpu: CpuShare,
    pub log: Arc<WorkloadLog>,
    /// Room for requests to the outside.
    pub egress: Arc<Semaphore>,
    pub shared: Arc<Shared>,
}

/// What every workload of an engine shares.
pub struct Shared {
    pub cluster: Arc<Cluster>,
    pub clock: Arc<EpochClock>,
    pub stores: crate::capabilities::keyvalue::Stores,
}

impl Workload {
    /// Errors: LimitTooSmall, BadGrant, Io.
    pub fn configure(spec: WorkloadSpec, log: Arc<WorkloadLog>, shared: Arc<Shared>) -> Result<Arc<Self>, EngineError> {
        spec.limits.check()?;
        let capabilities = Capabilities::configure(&spec.grants, &shared.stores)?;
        Ok(Arc::new(Self {
            capabilities,
            metrics: Metrics::default(),
            cpu: CpuShare::new(spec.limits.cpu_millis),
            log,
            egress: Arc::new(Semaphore::new(spec.limits.egress_connections)),
            shared,
            spec,
        }))
    }

    pub fn stats(&self, in_flight: usize) -> Stats {
        let mut stats = self.metrics.read(in_flight);
        // The log counts its own: lines are lost in places that know of no workload.
        stats.limit_hits[Limit::Log as usize] = self.log.limited();
        stats
    }
}
