//! What a workload is given and how far it may go, as it crosses from JavaScript.

use std::time::Duration;

use copepod_engine as engine;
use engine::{EngineError, ErrorCode};
use napi_derive::napi;

use crate::millis;

#[napi(object)]
pub struct BindingMount {
    pub host: String,
    pub guest: String,
    pub writable: bool,
}

#[napi(object)]
pub struct BindingListen {
    /// `tcp` or `udp`.
    pub transport: String,
    pub port: u16,
}

#[napi(object)]
pub struct BindingBucket {
    pub name: String,
    pub path: String,
    pub max_bytes: f64,
    pub ttl_ms: Option<f64>,
}

#[napi(object)]
pub struct BindingGrants {
    pub args: Vec<String>,
    pub env: Vec<Vec<String>>,
    pub stdin: String,
    pub mounts: Vec<BindingMount>,
    pub search_domains: Vec<String>,
    pub egress: Vec<String>,
    pub names: Vec<String>,
    pub address: Option<String>,
    pub listen: Vec<BindingListen>,
    pub config: Vec<Vec<String>>,
    pub buckets: Vec<BindingBucket>,
    pub fine_clocks: bool,
}

#[napi(object)]
pub struct BindingLimits {
    pub memory_bytes: f64,
    pub table_elements: f64,
    pub request_timeout_ms: f64,
    pub cpu_millis: f64,
    pub concurrency: f64,
    pub request_body_bytes: f64,
    pub response_body_bytes: f64,
    pub header_bytes: f64,
    pub log_bytes_per_second: f64,
    pub handles: f64,
    pub sockets: f64,
    pub files: f64,
    pub egress_connections: f64,
}

#[napi(object)]
pub struct BindingReuse {
    pub max: u32,
    pub idle_ms: f64,
    pub concurrent: u32,
}

#[napi(object)]
pub struct BindingSpec {
    pub id: String,
    pub grants: BindingGrants,
    pub limits: BindingLimits,
    /// None: a fresh instance for each request.
    pub reuse: Option<BindingReuse>,
    pub warm: u32,
    pub access_log: bool,
    pub log_path: String,
    pub log_max_bytes: f64,
}

impl BindingSpec {
    /// Errors: BadGrant, for what is no address and no transport.
    pub fn into_engine(self) -> Result<engine::WorkloadSpec, EngineError> {
        let reuse = self.reuse.map_or(engine::Reuse::Request, |reuse| engine::Reuse::Pooled { max: reuse.max, idle: millis(reuse.idle_ms), concurrent: reuse.concurrent });
        Ok(engine::WorkloadSpec {
            id: self.id,
            grants: grants(self.grants)?,
            limits: limits(&self.limits),
            reuse,
            warm: self.warm as usize,
            log: engine::LogTarget { path: self.log_path.into(), max_bytes: self.log_max_bytes as u64 },
            access_log: self.access_log,
        })
    }
}

fn pairs(pairs: Vec<Vec<String>>) -> impl Iterator<Item = (String, String)> {
    pairs.into_iter().map(|pair| {
        let mut pair = pair.into_iter();
        (pair.next().unwrap_or_default(), pair.next().unwrap_or_default())
    })
}

fn grants(grants: BindingGrants) -> Result<engine::Grants, EngineError> {
    let bad = |text: String| EngineError::new(ErrorCode::BadGrant, text);
    let address = grants.address.map(|text| text.parse().map_err(|_| bad(format!("the workload's address '{text}' is no IP address")))).transpose()?;
    let listen = |grant: BindingListen| match grant.transport.as_str() {
        "tcp" => Ok(engine::ListenGrant { transport: engine::Transport::Tcp, port: grant.port }),
        "udp" => Ok(engine::ListenGrant { transport: engine::Transport::Udp, port: grant.port }),
        other => Err(bad(format!("a port is 'tcp' or 'udp', not '{other}'"))),
    };
    Ok(engine::Grants {
        args: grants.args,
        env: pairs(grants.env).collect(),
        stdin: grants.stdin.into_bytes(),
        mounts: grants.mounts.into_iter().map(|mount| engine::Mount { host: mount.host.into(), guest: mount.guest, writable: mount.writable }).collect(),
        search_domains: grants.search_domains,
        egress: grants.egress,
        names: grants.names,
        address,
        listen: grants.listen.into_iter().map(listen).collect::<Result<_, _>>()?,
        config: pairs(grants.config).collect(),
        buckets: grants.buckets.into_iter().map(bucket).collect(),
        clocks: if grants.fine_clocks { engine::ClockResolution::Nanosecond } else { engine::ClockResolution::Millisecond },
    })
}

fn bucket(bucket: BindingBucket) -> engine::Bucket {
    engine::Bucket { name: bucket.name, path: bucket.path.into(), max_bytes: bucket.max_bytes as u64, ttl: bucket.ttl_ms.map(millis) }
}

/// Numbers out of range become the nearest that fits, and the engine refuses them by name.
fn limits(limits: &BindingLimits) -> engine::Limits {
    engine::Limits {
        memory_bytes: limits.memory_bytes as usize,
        table_elements: limits.table_elements as usize,
        request_timeout: Duration::from_micros((limits.request_timeout_ms * 1000.0) as u64),
        cpu_millis: limits.cpu_millis as u32,
        concurrency: limits.concurrency as usize,
        request_body_bytes: limits.request_body_bytes as u64,
        response_body_bytes: limits.response_body_bytes as u64,
        header_bytes: limits.header_bytes as usize,
        log_bytes_per_second: limits.log_bytes_per_second as u64,
        handles: limits.handles as usize,
        sockets: limits.sockets as usize,
        files: limits.files as usize,
        egress_connections: limits.egress_connections as usize,
    }
}
