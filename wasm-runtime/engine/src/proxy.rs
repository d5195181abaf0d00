//! The data path: listeners on ClusterIPs, NodePorts and the gateway, all reading one routing table that is swapped whole.
//! A request is routed by the table in force when its head arrives, whatever connection it comes on.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;

use crate::error::{EngineError, ErrorCode};
use crate::routes::{ListenerKey, Routes, RoutingTable};
use crate::service::Service;

/// A client must finish its request head within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const BACKLOG: i32 = 1024;
/// Pause after `accept` failed (as when descriptors run out), so that a full process does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub struct ProxyOptions {
    /// Port 0 picks a free one.
    pub gateway: Option<SocketAddr>,
    pub node_port_host: IpAddr,
}

/// A listener that could not be opened; the rest of the table is in force all the same.
pub struct ListenerFailure {
    pub host: IpAddr,
    pub port: u16,
    pub code: ErrorCode,
    pub service: String,
}

/// The services requests can be handed to, by workload id.
pub type Services = std::collections::HashMap<String, Arc<Service>>;

struct Shared {
    routes: ArcSwap<Routes>,
    services: Arc<ArcSwap<Services>>,
}

pub struct Proxy {
    shared: Arc<Shared>,
    options: ProxyOptions,
    gateway: Option<(SocketAddr, JoinHandle<()>)>,
    /// Also serialises `apply`.
    listeners: Mutex<BTreeMap<ListenerKey, JoinHandle<()>>>,
}

impl Proxy {
    /// Opens the gateway. Errors: PortInUse, PermissionDenied, AddressUnavailable.
    pub fn open(options: ProxyOptions, services: Arc<ArcSwap<Services>>) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared { routes: ArcSwap::from_pointee(Routes::default()), services });
        let gateway = match options.gateway {
            None => None,
            Some(address) => {
                let listener = bind(address).map_err(|error| EngineError::from_bind(address, &error))?;
                let bound = listener.local_addr().map_err(|error| EngineError::from_bind(address, &error))?;
                Some((bound, tokio::spawn(accept(listener, ListenerKey::Gateway, shared.clone()))))
            }
        };
        Ok(Self { shared, options, gateway, listeners: Mutex::new(BTreeMap::new()) })
    }

    pub fn gateway_port(&self) -> Option<u16> {
        self.gateway.as_ref().map(|(address, _)| address.port())
    }

    /// Swaps the table for new requests, then opens and closes listeners to match. Listeners both tables ask for are kept.
    pub async fn apply(&self, table: &RoutingTable) -> Vec<ListenerFailure> {
        let mut listeners = self.listeners.lock().await;
        let routes = Arc::new(Routes::new(table));
        self.shared.routes.store(routes.clone());
        listeners.retain(|key, task| {
            let keep = routes.listeners.contains_key(key) && !task.is_finished();
            if !keep {
                task.abort();
            }
            keep
        });
        let mut failures = Vec::new();
        for (key, service) in &routes.listeners {
            if listeners.contains_key(key) {
                continue;
            }
            let address = match key {
                ListenerKey::Gateway => continue,
                ListenerKey::ClusterIp(address) => *address,
                ListenerKey::NodePort(port) => SocketAddr::new(self.options.node_port_host, *port),
            };
            match bind(address) {
                Ok(listener) => {
                    listeners.insert(*key, tokio::spawn(accept(listener, *key, self.shared.clone())));
                }
                Err(error) => {
                    let code = EngineError::from_bind(address, &error).code;
                    failures.push(ListenerFailure { host: address.ip(), port: address.port(), code, service: service.clone() });
                }
            }
        }
        failures
    }

    /// Closes every listener; requests under way are finished.
    pub async fn close(&self) {
        if let Some((_, task)) = &self.gateway {
            task.abort();
        }
        for (_, task) in std::mem::take(&mut *self.listeners.lock().await) {
            task.abort();
        }
    }
}

/// Linux refuses 127.96.0.1:8080 while somebody listens on 0.0.0.0:8080 unless both sockets share the port, and then
/// prefers the more exact address. Sharing would also hide a stranger on the very same address, so that is asked first.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let open = |shared: bool| -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let wildcard_may_be_ours = address.ip().is_loopback() && address.port() < 30000;
    if !wildcard_may_be_ours {
        open(false)?.listen(1)?;
    }
    let socket = open(true)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, key: ListenerKey, shared: Arc<Shared>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = connection.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| respond(&shared, key, request));
            // An error here is the client's: it went away or spoke no HTTP.
            let _ = hyper::server::conn::http1::Builder::new()
                .pipeline_flush(true)
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

async fn respond(shared: &Shared, key: ListenerKey, request: Request<Incoming>) -> Result<Response<WasiBody>, std::convert::Infallible> {
    let backends = {
        let routes = shared.routes.load();
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        match routes.find(key, host) {
            Some(backends) => backends.clone(),
            None => {
                let name = host.unwrap_or("(none)");
                return Ok(plain(StatusCode::NOT_FOUND, format!("no Service answers to host {name}: use <service>.<namespace>.localhost\n")));
            }
        }
    };
    let service = {
        let services = shared.services.load();
        backends.in_turn().find_map(|id| services.get(id).cloned())
    };
    let Some(service) = service else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, format!("Service {} has no ready endpoints\n", backends.service)));
    };
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync());
    Ok(service.handle(request).await.unwrap_or_else(|error| {
        let status = match error.code {
            ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            ErrorCode::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        plain(status, format!("{}: {}\n", error.code.as_str(), error.message))
    }))
}

fn plain(status: StatusCode, text: String) -> Response<WasiBody> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
