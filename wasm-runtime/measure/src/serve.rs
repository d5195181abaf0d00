//! The data path without Node: for a profiler.

use std::path::Path;

use copepod_engine::{Endpoint, Proxy, ProxyOptions, RoutingTable, ServicePort, ServiceRoute};

use crate::Failure;
use crate::subject::{Subject, reuse, said};

/// Answers until it is killed, to whoever asks for `127.0.0.1`.
pub fn run(file: &Path, port: u16, reuses: u32) -> Result<(), Failure> {
    let subject = Subject::open(file)?;
    let mut spec = subject.spec("served");
    spec.reuse = reuse(reuses);
    let _service = subject.engine.service(&subject.component, spec, Box::new(|exit| eprintln!("{}: {}", exit.reason.as_str(), exit.message))).map_err(said)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let options = ProxyOptions { gateway: Some(([127, 0, 0, 1], port).into()), node_port_host: [127, 0, 0, 1].into(), tunnel: None };
        let proxy = Proxy::open(options, subject.engine.cluster().clone()).map_err(said)?;
        let ports = vec![ServicePort { port: 80, node_port: None, endpoints: vec![Endpoint { workload: "served".into(), node: None }] }];
        proxy.apply(&RoutingTable { services: vec![ServiceRoute { host: "served".into(), gateway_host: "127.0.0.1".into(), cluster_ip: None, ports }] }).await;
        std::future::pending::<()>().await;
        Ok(())
    })
}
