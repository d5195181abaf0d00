//! A guest's own requests: to a Service of the cluster, inside this process when one of its workloads is here; to a host it was allowed;
//! nowhere else.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use crate::cluster::{Cluster, HOPS, WORKLOAD, plain};

/// Services a request may pass before it is taken for a ring.
const MAX_HOPS: u8 = 16;

/// What a workload's requests may reach.
#[derive(Default)]
pub struct Network {
    /// Appended to host names that are not found as they are.
    pub search_domains: Vec<String>,
    /// `host:port` beside the cluster's Services.
    pub egress: Vec<String>,
}

pub struct Outbound {
    cluster: Arc<Cluster>,
    network: Arc<Network>,
    hops: u8,
}

type Ended = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(Response<WasiBody>, Ended), HttpError>;

impl Outbound {
    /// `hops`: of the request this instance was made for.
    pub fn new(cluster: Arc<Cluster>, network: Arc<Network>, hops: u8) -> Self {
        Self { cluster, network, hops }
    }
}

impl WasiHttpHooks for Outbound {
    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Ended,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        let Some(host) = request.uri().host().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
            return Box::new(async { Err(HttpError::HttpRequestUriInvalid) });
        };
        let port = request.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
        let service = self.cluster.routes().service(&host, port, &self.network.search_domains).filter(|_| !secure).cloned();
        if let Some(backends) = service {
            if self.hops >= MAX_HOPS {
                let text = format!("a request passed {MAX_HOPS} Services: they call each other in a ring\n");
                return Box::new(async { Ok((plain(StatusCode::LOOP_DETECTED, text), done())) });
            }
            request.headers_mut().remove(WORKLOAD);
            request.headers_mut().insert(HOPS, HeaderValue::from(u16::from(self.hops + 1)));
            let cluster = self.cluster.clone();
            return Box::new(async move { Ok((cluster.send(&backends, request).await, done())) });
        }
        if !allows(&self.network.egress, &host, port) {
            return Box::new(async { Err(HttpError::HttpRequestDenied) });
        }
        for name in [HOPS, WORKLOAD] {
            request.headers_mut().remove(name);
        }
        Box::new(async move {
            let address = format!("{host}:{port}");
            let addresses = tokio::net::lookup_host(&address).await.map_err(HttpError::Connect)?;
            // A name somebody else controls must not lead to what only this machine may reach.
            if host.parse::<IpAddr>().is_err() && addresses.into_iter().any(|found| is_private_to_host(found.ip())) {
                return Err(HttpError::HttpRequestDenied);
            }
            let (response, io) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(io) as Ended))
        })
    }
}

fn done() -> Ended {
    Box::new(async { Ok(()) })
}

fn allows(egress: &[String], host: &str, port: u16) -> bool {
    egress.iter().any(|entry| {
        entry.rsplit_once(':').is_some_and(|(name, number)| {
            let name = name.trim_matches(['[', ']']);
            number.parse() == Ok(port) && (name.eq_ignore_ascii_case(host) || name.strip_prefix('*').is_some_and(|suffix| suffix.starts_with('.') && host.ends_with(suffix)))
        })
    })
}

/// Loopback, link-local (which holds the clouds' metadata service), unspecified.
fn is_private_to_host(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_names_a_host_and_a_port_or_everything_below_a_domain() {
        let egress = ["api.example.com:443".to_owned(), "*.internal.net:80".to_owned(), "[::1]:9".to_owned()];
        assert!(allows(&egress, "API.example.com", 443));
        assert!(allows(&egress, "a.internal.net", 80));
        assert!(allows(&egress, "::1", 9));
        for (host, port) in [("api.example.com", 80), ("internal.net", 80), ("evil-internal.net", 80), ("example.com", 443)] {
            assert!(!allows(&egress, host, port), "{host}:{port}");
        }
    }

    #[test]
    fn what_only_this_machine_may_reach_is_told_from_the_rest() {
        for ip in ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1"] {
            assert!(is_private_to_host(ip.parse().expect("an address")), "{ip}");
        }
        assert!(!is_private_to_host("10.0.0.1".parse().expect("an address")));
    }
}
