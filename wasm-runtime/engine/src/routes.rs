//! The routing table: what the control plane wants, indexed for one look-up a request. A table is never changed, only replaced.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct RoutingTable {
    pub services: Vec<ServiceRoute>,
}

pub struct ServiceRoute {
    /// DNS name inside the cluster.
    pub host: String,
    /// Host the gateway answers to; its first port is served.
    pub gateway_host: String,
    pub cluster_ip: Option<IpAddr>,
    pub ports: Vec<ServicePort>,
}

pub struct ServicePort {
    pub port: u16,
    pub node_port: Option<u16>,
    /// The ready workloads, here and on other nodes.
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub workload: String,
    /// The node that runs it; none: it runs here.
    pub node: Option<NodeAddress>,
}

/// Another node's tunnel, and the DNS name its certificate must carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    pub address: SocketAddr,
    pub server_name: String,
}

/// Endpoints of one service port, taken in turn.
pub struct Backends {
    pub service: String,
    endpoints: Vec<Endpoint>,
    next: AtomicUsize,
}

impl Backends {
    /// Every endpoint once, beginning with the next in turn.
    pub fn in_turn(&self) -> impl Iterator<Item = &Endpoint> {
        let count = self.endpoints.len();
        let start = if count == 0 { 0 } else { self.next.fetch_add(1, Ordering::Relaxed) % count };
        (0..count).map(move |step| &self.endpoints[(start + step) % count])
    }
}

/// Which table entry a listener's requests belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenerKey {
    Gateway,
    ClusterIp(SocketAddr),
    NodePort(u16),
}

#[derive(Default)]
pub struct Routes {
    by_listener: HashMap<ListenerKey, Arc<Backends>>,
    by_host: HashMap<String, Arc<Backends>>,
    /// Cluster DNS name → its ports.
    by_service: HashMap<String, Vec<(u16, Arc<Backends>)>>,
    /// Every listener the table asks for, with the service that does.
    pub listeners: BTreeMap<ListenerKey, String>,
}

impl Routes {
    pub fn new(table: &RoutingTable) -> Self {
        let mut routes = Self::default();
        for service in &table.services {
            for (index, port) in service.ports.iter().enumerate() {
                let backends = Arc::new(Backends { service: service.host.clone(), endpoints: port.endpoints.clone(), next: AtomicUsize::new(0) });
                routes.by_service.entry(service.host.to_ascii_lowercase()).or_default().push((port.port, backends.clone()));
                if index == 0 {
                    routes.by_host.insert(service.gateway_host.to_ascii_lowercase(), backends.clone());
                }
                let cluster_ip = service.cluster_ip.map(|ip| ListenerKey::ClusterIp(SocketAddr::new(ip, port.port)));
                for key in cluster_ip.into_iter().chain(port.node_port.map(ListenerKey::NodePort)) {
                    routes.listeners.insert(key, service.host.clone());
                    routes.by_listener.insert(key, backends.clone());
                }
            }
        }
        routes
    }

    /// Where a request that came in on `key` goes; the gateway goes by `Host` (port and case do not matter).
    pub fn find(&self, key: ListenerKey, host: Option<&str>) -> Option<&Arc<Backends>> {
        if key != ListenerKey::Gateway {
            return self.by_listener.get(&key);
        }
        let host = host?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.by_host.get(name).or_else(|| self.by_host.get(&name.to_ascii_lowercase()))
    }

    /// The Service a guest means by `host`: the name as it is, then with each search domain appended, or a ClusterIP. Port 80, which is
    /// what a URL without a port says, means the only port of a Service that has one.
    pub fn service(&self, host: &str, port: u16, search: &[String]) -> Option<&Arc<Backends>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.by_listener.get(&ListenerKey::ClusterIp(SocketAddr::new(ip, port)));
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let ports = self.by_service.get(&name).or_else(|| search.iter().find_map(|domain| self.by_service.get(&format!("{name}.{domain}"))))?;
        let exact = ports.iter().find(|(number, _)| *number == port);
        exact.or_else(|| ports.first().filter(|_| port == 80 && ports.len() == 1)).map(|(_, backends)| backends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(endpoints: &[&str]) -> RoutingTable {
        let port = ServicePort { port: 80, node_port: Some(30080), endpoints: endpoints.iter().map(|id| Endpoint { workload: (*id).into(), node: None }).collect() };
        let service = ServiceRoute {
            host: "hello.default.svc.cluster.local".into(),
            gateway_host: "hello.default.localhost".into(),
            cluster_ip: "127.96.0.1".parse().ok(),
            ports: vec![port],
        };
        RoutingTable { services: vec![service] }
    }

    #[test]
    fn the_gateway_finds_a_service_by_host_whatever_its_case_and_port() {
        let routes = Routes::new(&table(&["a"]));
        for host in ["hello.default.localhost", "Hello.Default.LOCALHOST:8080"] {
            assert!(routes.find(ListenerKey::Gateway, Some(host)).is_some(), "{host}");
        }
        assert!(routes.find(ListenerKey::Gateway, Some("other.default.localhost")).is_none());
        assert!(routes.find(ListenerKey::Gateway, None).is_none());
    }

    #[test]
    fn endpoints_take_turns_and_each_is_offered_once_a_request() {
        let routes = Routes::new(&table(&["a", "b", "c"]));
        let backends = routes.find(ListenerKey::NodePort(30080), None).expect("a node port");
        let turns: Vec<Vec<&str>> = (0..3).map(|_| backends.in_turn().map(|endpoint| endpoint.workload.as_str()).collect()).collect();
        assert_eq!(turns, [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]);
    }
    #[test]
    fn a_guest_names_a_service_as_a_pod_would() {
        let routes = Routes::new(&table(&["a"]));
        let search = ["default.svc.cluster.local".to_owned(), "svc.cluster.local".to_owned(), "cluster.local".to_owned()];
        for host in ["hello", "hello.default", "hello.default.svc", "hello.default.svc.cluster.local", "HELLO.default.", "127.96.0.1"] {
            assert!(routes.service(host, 80, &search).is_some(), "{host}");
        }
        assert!(routes.service("hello", 81, &search).is_none());
        assert!(routes.service("hello.other", 80, &search).is_none());
    }
}
