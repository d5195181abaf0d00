//! Where requests go: the routes in force, this node's services, and the way to other nodes. Shared by the listeners, by guests'
//! own requests and by the tunnel.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Body;
use wasmtime_wasi_http::WasiBody;

use crate::error::{EngineError, ErrorCode};
use crate::routes::{Backends, Routes};
use crate::service::Service;
use crate::tunnel::{Refused, TunnelClient};

/// How many Services a request has passed, so that a ring of them ends.
pub const HOPS: HeaderName = HeaderName::from_static("copepod-hops");
/// Between nodes: which workload a request is for.
pub const WORKLOAD: HeaderName = HeaderName::from_static("copepod-workload");
/// Milliseconds the request that this one is made for has left.
pub const DEADLINE: HeaderName = HeaderName::from_static("copepod-deadline");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What only this cluster may say; from outside it would be a way in.
pub const INTERNAL: [HeaderName; 3] = [HOPS, WORKLOAD, DEADLINE];

pub struct Cluster {
    routes: ArcSwap<Routes>,
    services: RwLock<HashMap<String, Arc<Service>>>,
    tunnel: OnceLock<TunnelClient>,
}

impl Cluster {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            routes: ArcSwap::default(),
            services: RwLock::default(),
            tunnel: OnceLock::new(),
        })
    }

    pub(crate) fn routes(&self) -> Guard<Arc<Routes>> {
        self.routes.load()
    }

    pub(crate) fn route(&self, routes: Arc<Routes>) {
        self.routes.store(routes);
    }

    pub(crate) fn open_tunnel(&self, client: TunnelClient) {
        let _ = self.tunnel.set(client);
    }

    pub(crate) fn add(&self, service: &Arc<Service>) -> Result<(), EngineError> {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        if services.contains_key(service.id()) {
            return Err(EngineError::new(ErrorCode::AlreadyExists, format!("workload {} is running already", service.id())));
        }
        services.insert(service.id().to_owned(), service.clone());
        Ok(())
    }

    pub(crate) fn remove(&self, id: &str) {
        self.services.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn service(&self, id: &str) -> Option<Arc<Service>> {
        self.services.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Hands a request to the first endpoint in turn that takes it. An endpoint that is going, or a node that does not answer, costs a
    /// request nothing as long as none of its body has been sent and no workload may have acted on it already.
    pub(crate) async fn send(&self, backends: &Backends, request: Request<WasiBody>) -> Response<WasiBody> {
        let mut pending = request;
        let mut refusal = None;
        for endpoint in backends.in_turn() {
            let Some(node) = &endpoint.node else {
                let Some(in_flight) = self.service(&endpoint.workload).and_then(|service| service.admit()) else { continue };
                return Service::handle(in_flight, pending).await;
            };
            let Some(tunnel) = self.tunnel.get() else { continue };
            let Ok(connection) = tunnel.connect(node).await else { continue };
            let again = pending.body().is_end_stream().then(|| head_of(&pending));
            match tunnel.send(connection, &endpoint.workload, pending).await {
                Ok(response) => return response,
                Err(Refused { seen, status, why }) => match again.filter(|request| !seen || request.method().is_idempotent()) {
                    Some(request) => {
                        refusal = Some((status, why));
                        pending = request;
                    }
                    None => return plain(status, why),
                },
            }
        }
        match refusal {
            Some((status, why)) => plain(status, why),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, format!("Service {} has no ready endpoints\n", backends.service)),
        }
    }
}

/// A request without a body, made once more.
fn head_of(request: &Request<WasiBody>) -> Request<WasiBody> {
    let mut copy = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// What a client is told of an instance that ended badly.
pub(crate) fn failure(error: &EngineError) -> Response<WasiBody> {
    let status = match error.code {
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Stopped | ErrorCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_GATEWAY,
    };
    plain(status, format!("{}: {}\n", error.code.as_str(), error.message))
}

pub(crate) fn plain(status: StatusCode, text: String) -> Response<WasiBody> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
