//! Runs WASI components on wasmtime: inspect, compile, load, serve, run, stop.
//! Knows nothing of Node: `binding` carries these types across, and decides nothing.

mod cluster;
mod command;
mod early_body;
mod engine;
mod entry;
mod error;
mod exit;
mod host;
mod inspect;
mod logs;
mod outbound;
mod proxy;
mod routes;
mod service;
mod tunnel;

pub use cluster::Cluster;
pub use command::Command;
pub use engine::{Component, Engine};
pub use error::{EngineError, ErrorCode};
pub use exit::{Exit, ExitReason};
pub use inspect::{ComponentInfo, WorkloadKind, inspect};
pub use logs::LogTarget;
pub use proxy::{ListenerFailure, Proxy, ProxyOptions};
pub use outbound::Network;
pub use routes::{Endpoint, NodeAddress, RoutingTable, ServicePort, ServiceRoute};
pub use service::{Service, Stats};
pub use tunnel::TunnelOptions;

/// What one workload is given and how far it may go. `Engine::service` and `Engine::command` take it.
pub struct WorkloadSpec {
    /// Unique among the workloads of an engine; routes name it.
    pub id: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// All linear memories of one instance together.
    pub memory_bytes: usize,
    /// Wall time of one request.
    pub request_timeout: std::time::Duration,
    pub log: LogTarget,
    /// Where its own requests may go.
    pub network: std::sync::Arc<Network>,
}
