//! The data path: listeners on ClusterIPs, NodePorts and the gateway, all reading one routing table that is swapped whole.
//! A request is routed by the table in force when its head arrives, whatever connection it comes on.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;

use crate::body::incoming;
use crate::cluster::{Cluster, INTERNAL, plain};
use crate::error::{EngineError, ErrorCode};
use crate::routes::{ListenerKey, Routes, RoutingTable};
use crate::tunnel::{self, TunnelOptions};
use crate::workers::Workers;

/// A client must finish its request head within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// What is sent must be taken within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests under way on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// Says of which request a line or an answer is; a client's own is kept.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const BACKLOG: i32 = 1024;
/// Pause after `accept` failed (as when descriptors run out), so that a full process does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub struct ProxyOptions {
    /// Port 0 picks a free one.
    pub gateway: Option<SocketAddr>,
    pub node_port_host: IpAddr,
    /// To and from other nodes; none: routes lead to this node's workloads alone.
    pub tunnel: Option<TunnelOptions>,
}

/// A listener that could not be opened; the rest of the table is in force all the same.
pub struct ListenerFailure {
    pub host: IpAddr,
    pub port: u16,
    pub code: ErrorCode,
    pub service: String,
}

pub struct Proxy {
    cluster: Arc<Cluster>,
    node_port_host: IpAddr,
    gateway: Option<(SocketAddr, JoinHandle<()>)>,
    tunnel: Option<(SocketAddr, JoinHandle<()>)>,
    /// Also serialises `apply`.
    listeners: Mutex<BTreeMap<ListenerKey, JoinHandle<()>>>,
}

impl Proxy {
    /// Opens the gateway and the tunnel. Errors: PortInUse, PermissionDenied, AddressUnavailable, BadCertificate.
    pub fn open(options: ProxyOptions, cluster: Arc<Cluster>) -> Result<Self, EngineError> {
        let listen = |address: SocketAddr| -> Result<(TcpListener, SocketAddr), EngineError> {
            let listener = bind(address).map_err(|error| EngineError::from_bind(address, &error))?;
            let bound = listener.local_addr().map_err(|error| EngineError::from_bind(address, &error))?;
            Ok((listener, bound))
        };
        let gateway = options.gateway.map(listen).transpose()?.map(|(listener, bound)| (bound, tokio::spawn(accept(listener, ListenerKey::Gateway, cluster.clone()))));
        let tunnel = match &options.tunnel {
            None => None,
            Some(tunnel) => {
                let (server, client) = tunnel::configure(tunnel)?;
                let (listener, bound) = listen(tunnel.address)?;
                cluster.open_tunnel(client);
                Some((bound, tokio::spawn(tunnel::accept(listener, server, cluster.clone()))))
            }
        };
        Ok(Self { cluster, node_port_host: options.node_port_host, gateway, tunnel, listeners: Mutex::new(BTreeMap::new()) })
    }

    pub fn gateway_port(&self) -> Option<u16> {
        self.gateway.as_ref().map(|(address, _)| address.port())
    }

    pub fn tunnel_port(&self) -> Option<u16> {
        self.tunnel.as_ref().map(|(address, _)| address.port())
    }

    /// Swaps the table for new requests, then opens and closes listeners to match. Listeners both tables ask for are kept.
    pub async fn apply(&self, table: &RoutingTable) -> Vec<ListenerFailure> {
        let mut listeners = self.listeners.lock().await;
        let routes = Arc::new(Routes::new(table));
        self.cluster.route(routes.clone());
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
                ListenerKey::NodePort(port) => SocketAddr::new(self.node_port_host, *port),
            };
            match bind(address) {
                Ok(listener) => {
                    listeners.insert(*key, tokio::spawn(accept(listener, *key, self.cluster.clone())));
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
        for (_, task) in self.gateway.iter().chain(&self.tunnel) {
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

async fn accept(listener: TcpListener, key: ListenerKey, cluster: Arc<Cluster>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = connection.set_nodelay(true);
        // A client that takes none of what it is sent for this long is given up by the kernel.
        let _ = socket2::SockRef::from(&connection).set_tcp_user_timeout(Some(WRITE_TIMEOUT));
        let cluster = cluster.clone();
        let _ = Workers::place(connection, move |connection, placed| {
            tokio::spawn(async move {
                serve(connection, key, cluster).await;
                drop(placed);
            });
        });
    }
}

/// HTTP/1.1, or HTTP/2 for a client that begins with its preface (RFC 9113, 3.4).
async fn serve(connection: TcpStream, key: ListenerKey, cluster: Arc<Cluster>) {
    let mut start = [0; 4];
    let Ok(Ok(_)) = tokio::time::timeout(HEADER_TIMEOUT, connection.peek(&mut start)).await else { return };
    let service = hyper::service::service_fn(|request| respond(&cluster, key, request));
    // An error of either is the client's: it went away or spoke no HTTP.
    if &start == b"PRI " {
        let cluster = cluster.clone();
        let service = hyper::service::service_fn(move |request| {
            let cluster = cluster.clone();
            async move { respond(&cluster, key, request).await }
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_TIMEOUT)
            .max_concurrent_streams(MAX_STREAMS)
            .serve_connection(TokioIo::new(connection), service)
            .await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(connection), service)
            .await;
    }
}

async fn respond(cluster: &Cluster, key: ListenerKey, mut request: Request<Incoming>) -> Result<Response<WasiBody>, std::convert::Infallible> {
    // HTTP/2 says the host in its :authority, a guest looks for it in a header.
    if request.version() == Version::HTTP_2
        && let Some(host) = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
    {
        request.headers_mut().insert(HOST, host);
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let Some(backends) = cluster.routes().find(key, host).cloned() else {
        return Ok(unknown(key, host));
    };
    for name in INTERNAL {
        request.headers_mut().remove(name);
    }
    let id = request.headers().get(REQUEST_ID).cloned().unwrap_or_else(request_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = cluster.send(&backends, request.map(incoming)).await;
    response.headers_mut().entry(REQUEST_ID).or_insert(id);
    Ok(response)
}

fn unknown(key: ListenerKey, host: Option<&str>) -> Response<WasiBody> {
    if key == ListenerKey::Gateway {
        let name = host.unwrap_or("(none)");
        return plain(StatusCode::NOT_FOUND, format!("no Service answers to host {name}: use <service>.<namespace>.localhost\n"));
    }
    // Its listener is closed; who kept a connection must not keep it longer.
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the Service is gone\n".into());
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Sixteen hexadecimal digits, different for each request of this process and unlikely to meet another's.
fn request_id() -> HeaderValue {
    thread_local! {
        static NEXT: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
    }
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let number = NEXT.replace(NEXT.get().wrapping_add(ODD));
    let mut text = [0; 16];
    for (index, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - 4 * index) & 15) as usize];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}
