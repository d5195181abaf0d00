//! A guest's own requests: to a Service of the cluster, inside this process when one of its workloads is here; to a host it was allowed;
//! nowhere else.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use crate::cluster::{DEADLINE, HOPS, INTERNAL, TRACEPARENT, plain};
use crate::host::RequestContext;
use crate::limits::Limit;
use crate::workload::Workload;

/// Services a request may pass before it is taken for a ring.
const MAX_HOPS: u8 = 16;

pub struct Outbound {
    workload: Arc<Workload>,
    context: RequestContext,
}

type Ended = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(Response<WasiBody>, Ended), HttpError>;

impl Outbound {
    /// `context`: of the request this instance answers.
    pub fn new(workload: Arc<Workload>, context: RequestContext) -> Self {
        Self { workload, context }
    }

    pub fn begin(&mut self, context: RequestContext) {
        self.context = context;
    }

    /// What the cluster says of a request, in place of what the guest said.
    fn mark(&self, request: &mut Request<WasiBody>) {
        let headers = request.headers_mut();
        for name in INTERNAL {
            headers.remove(name);
        }
        headers.insert(HOPS, HeaderValue::from(u16::from(self.context.hops + 1)));
        if let Some(deadline) = self.context.deadline {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            headers.insert(DEADLINE, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
        }
        if let Some(trace) = &self.context.traceparent
            && !headers.contains_key(TRACEPARENT)
        {
            headers.insert(TRACEPARENT, trace.clone());
        }
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
        let cluster = self.workload.shared.cluster.clone();
        let service = cluster.routes().service(&host, port, &self.workload.spec.grants.search_domains).filter(|_| !secure).cloned();
        if let Some(backends) = service {
            if self.context.hops >= MAX_HOPS {
                let text = format!("a request passed {MAX_HOPS} Services: they call each other in a ring\n");
                return Box::new(async { Ok((plain(StatusCode::LOOP_DETECTED, text), done())) });
            }
            self.mark(&mut request);
            return Box::new(async move { Ok((cluster.send(&backends, request).await, done())) });
        }
        if !self.workload.capabilities.egress.allows(&host, port) {
            return Box::new(async { Err(HttpError::HttpRequestDenied) });
        }
        for name in INTERNAL {
            request.headers_mut().remove(name);
        }
        let Ok(permit) = self.workload.egress.clone().try_acquire_owned() else {
            self.workload.metrics.hit(Limit::Egress);
            return Box::new(async { Err(HttpError::ConnectionLimitReached) });
        };
        let workload = self.workload.clone();
        Box::new(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port)).await.map_err(HttpError::Connect)?.collect();
            let Some(address) = addresses.into_iter().find(|address| workload.capabilities.egress.resolved(*address)) else {
                return Err(HttpError::HttpRequestDenied);
            };
            if !secure {
                // To the address that was judged: a name may mean another one when it is looked up again. With TLS the certificate says who it is.
                direct(&mut request, address).ok_or(HttpError::HttpRequestUriInvalid)?;
            }
            let (response, io) = default_send_request(request, options).await?;
            let io = async move {
                let _permit = permit;
                io.await
            };
            Ok((response.map(BodyExt::boxed_unsync), Box::new(io) as Ended))
        })
    }
}

/// Sends a request to an address, whatever host it is for; the host stays in its header.
fn direct(request: &mut Request<WasiBody>, address: SocketAddr) -> Option<()> {
    if !request.headers().contains_key(http::header::HOST) {
        let host = HeaderValue::from_str(request.uri().authority()?.as_str()).ok()?;
        request.headers_mut().insert(http::header::HOST, host);
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority = match address.ip() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
    };
    parts.authority = Some(authority.parse::<Authority>().ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    Some(())
}

fn done() -> Ended {
    Box::new(async { Ok(()) })
}
