//! From node to node: HTTP/2 over TLS 1.3, both sides with their node certificate. A request that comes in goes to a workload here or is
//! refused; it is never passed on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wasmtime_wasi_http::WasiBody;

use crate::cluster::{Cluster, WORKLOAD, plain};
use crate::error::{EngineError, ErrorCode};
use crate::routes::NodeAddress;
use crate::service::Service;
use crate::workers::Workers;

/// Every node's certificate carries a name below it; no other certificate of the cluster does.
const NODE_DOMAIN: &str = ".node.copepod";
/// Says that the workload never saw the request.
const REFUSED: HeaderName = HeaderName::from_static("copepod-refused");
/// A node that takes longer to accept a connection is taken for gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A node that let a connection wait in vain is passed over for this long, so that only the first request waits for it.
const PASSED_OVER: Duration = Duration::from_secs(2);
/// A silent connection is asked whether it lives, and given up when it does not say so.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Requests one node may have under way at another.
const MAX_STREAMS: u32 = 4096;

pub struct TunnelOptions {
    pub address: SocketAddr,
    /// PEM.
    pub certificate: String,
    pub key: String,
    pub authority: String,
}

/// TLS for both directions. Errors: BadCertificate.
pub(crate) fn configure(options: &TunnelOptions) -> Result<(Arc<ServerConfig>, TunnelClient), EngineError> {
    let bad = |what: &str, error: &dyn std::fmt::Display| EngineError::new(ErrorCode::BadCertificate, format!("{what} cannot be used: {error}"));
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(options.authority.as_bytes()) {
        let authority = authority.map_err(|error| bad("the authority", &error))?;
        roots.add(authority).map_err(|error| bad("the authority", &error))?;
    }
    let chain = || CertificateDer::pem_slice_iter(options.certificate.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|error| bad("the node's certificate", &error));
    let key = || PrivateKeyDer::from_pem_slice(options.key.as_bytes()).map_err(|error| bad("the node's key", &error));
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().map_err(|error| bad("the authority", &error))?;
    let versions = &[&rustls::version::TLS13];
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| bad("TLS 1.3", &error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain()?, key()?)
        .map_err(|error| bad("the node's certificate", &error))?;
    server.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| bad("TLS 1.3", &error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain()?, key()?)
        .map_err(|error| bad("the node's certificate", &error))?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    Ok((Arc::new(server), TunnelClient { connector: TlsConnector::from(Arc::new(client)), connections: Mutex::default() }))
}

type Connection = SendRequest<WasiBody>;

/// What is known of the way to one node.
#[derive(Default)]
enum Way {
    #[default]
    Unknown,
    Open(Connection),
    Silent(Instant),
}

/// One connection to each node, opened when first needed and again when it broke.
pub(crate) struct TunnelClient {
    connector: TlsConnector,
    connections: Mutex<HashMap<NodeAddress, Arc<Mutex<Way>>>>,
}

/// There is no answer; `seen`: the workload may have had the request all the same.
pub(crate) struct Refused {
    pub seen: bool,
    pub status: StatusCode,
    pub why: String,
}

impl TunnelClient {
    /// A connection that takes requests. Errors: NoResponse when the node does not accept one in time, or is not who it should be.
    pub(crate) async fn connect(&self, node: &NodeAddress) -> Result<Connection, EngineError> {
        let slot = self.connections.lock().await.entry(node.clone()).or_default().clone();
        let failed = |why: String| EngineError::new(ErrorCode::NoResponse, format!("node {} at {}: {why}", node.server_name, node.address));
        let mut way = slot.lock().await;
        match &*way {
            Way::Open(connection) if !connection.is_closed() => return Ok(connection.clone()),
            Way::Silent(since) if since.elapsed() < PASSED_OVER => return Err(failed("no connection in time".into())),
            _ => {}
        }
        let Ok(opened) = tokio::time::timeout(CONNECT_TIMEOUT, self.open(node)).await else {
            *way = Way::Silent(Instant::now());
            return Err(failed("no connection in time".into()));
        };
        let connection = opened.map_err(failed)?;
        *way = Way::Open(connection.clone());
        Ok(connection)
    }

    async fn open(&self, node: &NodeAddress) -> Result<Connection, String> {
        let stream = TcpStream::connect(node.address).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(node.server_name.clone()).map_err(|error| error.to_string())?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    pub(crate) async fn send(&self, mut connection: Connection, workload: &str, mut request: Request<WasiBody>) -> Result<Response<WasiBody>, Refused> {
        let gone = |why: String| Refused { seen: true, status: StatusCode::BAD_GATEWAY, why };
        let host = request.headers().get(http::header::HOST).cloned();
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let authority = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty()).unwrap_or("service");
        *request.uri_mut() = format!("http://{authority}{path}").parse().map_err(|error| gone(format!("{error}\n")))?;
        *request.version_mut() = Version::HTTP_2;
        let id = HeaderValue::from_str(workload).map_err(|error| gone(format!("{error}\n")))?;
        request.headers_mut().insert(WORKLOAD, id);
        // Of one connection alone; HTTP/2 forbids them.
        for name in ["host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
            request.headers_mut().remove(name);
        }
        let response = connection.send_request(request).await.map_err(|error| gone(format!("the node went away: {error}\n")))?;
        if let Some(code) = response.headers().get(REFUSED) {
            let why = format!("{}\n", code.to_str().unwrap_or("refused"));
            return Err(Refused { seen: false, status: StatusCode::SERVICE_UNAVAILABLE, why });
        }
        Ok(response.map(|body| body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync()))
    }
}

/// Serves other nodes until the task is aborted.
pub(crate) async fn accept(listener: TcpListener, config: Arc<ServerConfig>, cluster: Arc<Cluster>) {
    let acceptor = TlsAcceptor::from(config);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, cluster) = (acceptor.clone(), cluster.clone());
        let _ = Workers::place(stream, move |stream, placed| {
            tokio::spawn(async move {
            let _placed = placed;
            let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_TIMEOUT, acceptor.accept(stream)).await else { return };
            let is_node = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).is_some_and(is_node);
            if !is_node {
                return;
            }
            let service = hyper::service::service_fn(move |request| {
                let cluster = cluster.clone();
                async move { Ok::<_, Infallible>(respond(&cluster, request).await) }
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .max_concurrent_streams(MAX_STREAMS)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            });
        });
    }
}

fn is_node(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.valid_dns_names().any(|name| name.ends_with(NODE_DOMAIN)))
}

async fn respond(cluster: &Cluster, mut request: Request<Incoming>) -> Response<WasiBody> {
    let workload = request.headers_mut().remove(WORKLOAD);
    let service = workload.as_ref().and_then(|id| id.to_str().ok()).and_then(|id| cluster.service(id));
    let Some(in_flight) = service.and_then(|service| service.admit()) else {
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the workload is not here, or is going\n".into());
        response.headers_mut().insert(REFUSED, HeaderValue::from_static("NotHere"));
        return response;
    };
    if let Some(host) = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let mut response = Service::handle(in_flight, request.map(crate::body::incoming)).await;
    // Only this node may say that a workload never saw its request.
    response.headers_mut().remove(REFUSED);
    response
}
