//! What one more workload weighs, beside many of its kind.

use std::path::Path;
use std::time::Duration;

use copepod_engine::{Endpoint, ExitReason, Proxy, ProxyOptions, RoutingTable, ServicePort, ServiceRoute};

use crate::memory::Weight;
use crate::subject::{Subject, said};
use crate::{Failure, report};

/// As long as a pod's own: its uid and its container.
fn id(number: usize) -> String {
    format!("0f8fad5b-d9cb-469f-a165-{number:012}/hello")
}

fn said_each(subject: &str, before: Weight, after: Weight, count: usize) {
    let each = |before: f64, after: f64| (after - before) / count as f64;
    let (resident, page_tables) = (each(before.resident, after.resident), each(before.page_tables, after.page_tables));
    report(subject, "each", &[resident + page_tables]);
    report(subject, "resident", &[resident]);
    report(subject, "page tables", &[page_tables]);
}

/// Instances that live and wait, all at once.
pub fn daemons(file: &Path, count: usize) -> Result<(), Failure> {
    let subject = Subject::open(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = |number: usize| subject.engine.command(&subject.component, subject.spec(&id(number))).map_err(said);
    // The first brings threads, code and tables with it that all share.
    let first = start(0)?;
    let before = Weight::settled()?;
    let commands = (1..=count).map(start).collect::<Result<Vec<_>, _>>()?;
    while commands.iter().any(|command| command.stats().instances == 0) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = Weight::settled()?;
    for command in commands.iter().chain([&first]) {
        if command.stats().in_flight == 0 {
            let exit = runtime.block_on(command.exited());
            return Err(format!("a daemon ended: {}: {}", exit.reason.as_str(), exit.message).into());
        }
    }
    said_each("copepod", before, after, count);
    runtime.block_on(async {
        for command in commands.iter().chain([&first]) {
            command.stop(Duration::ZERO).await;
            let exit = command.exited().await;
            if exit.reason != ExitReason::Stopped {
                return Err(Failure::from(format!("a daemon ended by itself: {}", exit.message)));
            }
        }
        Ok(())
    })
}

/// Services that are ready and routed to, of one component; a few of them answer at the end, to show that they do.
pub fn pods(file: &Path, count: usize) -> Result<(), Failure> {
    let subject = Subject::open(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = |number: usize| subject.engine.service(&subject.component, subject.spec(&id(number)), Box::new(|_| {})).map_err(said);
    let first = start(0)?;
    let answer = |service: &std::sync::Arc<copepod_engine::Service>| match runtime.block_on(service.probe("/", &[], Duration::from_secs(10))) {
        Ok(200) => Ok(()),
        Ok(status) => Err(Failure::from(format!("a pod answered {status}"))),
        Err(error) => Err(said(error)),
    };
    answer(&first)?;
    let proxy = {
        let _guard = runtime.enter();
        Proxy::open(ProxyOptions { gateway: None, node_port_host: [127, 0, 0, 1].into(), tunnel: None }, subject.engine.cluster().clone()).map_err(said)?
    };
    let before = Weight::settled()?;
    let services = (1..=count).map(start).collect::<Result<Vec<_>, _>>()?;
    let endpoints = services.iter().map(|service| Endpoint { workload: service.id().into(), node: None }).collect();
    let ports = vec![ServicePort { port: 80, node_port: None, endpoints }];
    let route = ServiceRoute { host: "hello.default.svc.cluster.local".into(), gateway_host: "hello.default.localhost".into(), cluster_ip: None, ports };
    runtime.block_on(proxy.apply(&RoutingTable { services: vec![route] }));
    let after = Weight::settled()?;
    for service in services.iter().step_by((count / 100).max(1)) {
        answer(service)?;
    }
    said_each("copepod", before, after, count);
    Ok(())
}
