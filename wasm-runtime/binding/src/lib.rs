//! The engine as a Node addon. Types cross here and nothing is decided. Errors cross as values, which the façade
//! turns into exceptions in one place.

mod compiler;
mod spec;
mod stats;

use std::sync::Arc;
use std::time::Duration;

use copepod_engine as engine;
use engine::{EngineError, ErrorCode};
use napi::bindgen_prelude::{Buffer, Either, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use spec::BindingSpec;
use stats::BindingStats;

/// Node's process shares its allocator with nobody here: what the engine allocates for each request is small and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong: one of the façade's codes, and words for people.
#[napi(object)]
pub struct BindingError {
    pub code: String,
    pub message: String,
}

impl From<EngineError> for BindingError {
    fn from(error: EngineError) -> Self {
        Self { code: error.code.as_str().into(), message: error.message }
    }
}

#[napi(object)]
pub struct BindingInfo {
    pub kind: String,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

impl From<&engine::ComponentInfo> for BindingInfo {
    fn from(info: &engine::ComponentInfo) -> Self {
        let kind = match info.kind {
            engine::WorkloadKind::Service => "service",
            engine::WorkloadKind::Command => "command",
        };
        Self { kind: kind.into(), imports: info.imports.clone(), exports: info.exports.clone() }
    }
}

#[napi(object)]
pub struct BindingExit {
    pub reason: String,
    pub exit_code: i32,
    pub message: String,
}

impl From<engine::Exit> for BindingExit {
    fn from(exit: engine::Exit) -> Self {
        Self { reason: exit.reason.as_str().into(), exit_code: exit.exit_code, message: exit.message }
    }
}

#[napi(object)]
pub struct BindingPort {
    pub port: u16,
    pub node_port: Option<u16>,
    pub endpoints: Vec<BindingEndpoint>,
}

#[napi(object)]
pub struct BindingEndpoint {
    pub workload: String,
    pub node: Option<BindingNode>,
}

#[napi(object)]
#[derive(Clone)]
pub struct BindingNode {
    /// `ip:port`.
    pub address: String,
    pub server_name: String,
}

#[napi(object)]
pub struct BindingTunnel {
    /// `ip:port`.
    pub address: String,
    pub certificate: String,
    pub key: String,
    pub authority: String,
}

#[napi(object)]
pub struct BindingRoute {
    pub host: String,
    pub gateway_host: String,
    /// Kubernetes' spelling; napi's own would be `clusterIp`.
    #[napi(js_name = "clusterIP")]
    pub cluster_ip: Option<String>,
    pub ports: Vec<BindingPort>,
}

#[napi(object)]
pub struct BindingListenerFailure {
    pub host: String,
    pub port: u16,
    pub code: String,
    pub service: String,
}

fn millis(ms: f64) -> Duration {
    Duration::from_micros((ms.max(0.0) * 1000.0) as u64)
}

fn join(error: napi::tokio::task::JoinError) -> EngineError {
    EngineError::new(ErrorCode::Internal, format!("a background task ended: {error}"))
}

/// Long work goes to the blocking pool, so that neither Node's loop nor the data path waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, EngineError> + Send + 'static) -> Result<T, EngineError> {
    napi::tokio::task::spawn_blocking(work).await.map_err(join)?
}

fn read(file: &str) -> Result<Vec<u8>, EngineError> {
    std::fs::read(file).map_err(|error| EngineError::new(ErrorCode::Io, format!("{file}: {error}")))
}

fn either<T, U: From<T>>(result: Result<T, EngineError>) -> Either<U, BindingError> {
    match result {
        Ok(value) => Either::A(value.into()),
        Err(error) => Either::B(error.into()),
    }
}

#[napi]
pub struct BindingEngine {
    engine: Arc<engine::Engine>,
}

#[napi]
pub struct BindingComponent {
    component: engine::Component,
}

#[napi]
pub struct BindingService {
    service: Arc<engine::Service>,
}

#[napi]
pub struct BindingCommand {
    command: Arc<engine::Command>,
}

#[napi]
pub struct BindingProxy {
    proxy: engine::Proxy,
}

#[napi(object)]
pub struct BindingOptions {
    pub interpreter: bool,
    /// 32 bytes.
    pub signing_seed: Option<Buffer>,
    /// 32 bytes each.
    pub trusted_keys: Vec<Buffer>,
}

#[napi]
pub fn open_engine(options: BindingOptions) -> Either<BindingEngine, BindingError> {
    let options = engine::EngineOptions {
        interpreter: options.interpreter,
        signing_seed: options.signing_seed.map(Vec::from),
        trusted_keys: options.trusted_keys.into_iter().map(Vec::from).collect(),
    };
    either(engine::Engine::new(&options).map(|engine| BindingEngine { engine: Arc::new(engine) }))
}

/// Validates a file without compiling it.
#[napi]
pub async fn inspect(file: String) -> Either<BindingInfo, BindingError> {
    let work = move || {
        let bytes = read(&file)?;
        let adapted = engine::adapt(&bytes)?;
        engine::inspect(adapted.as_deref().unwrap_or(&bytes)).map(|info| BindingInfo::from(&info))
    };
    either(blocking(work).await)
}

#[napi]
impl BindingEngine {
    #[napi(getter)]
    pub fn compatibility(&self) -> String {
        self.engine.compatibility()
    }

    /// Instances that may live at once.
    #[napi(getter)]
    pub fn capacity(&self) -> u32 {
        self.engine.capacity()
    }

    #[napi(getter)]
    pub fn public_key(&self) -> Buffer {
        self.engine.public_key().into()
    }

    /// What the compiler's process is told of this engine.
    #[napi(getter)]
    pub fn compiler_options(&self) -> Vec<String> {
        let (pool, code) = self.engine.compiler_options();
        vec![pool.into(), code.into()]
    }

    /// Signs what the compiler's process left, and syncs it to disk.
    #[napi]
    pub async fn seal(&self, file: String, image_bytes: f64) -> Option<BindingError> {
        let engine = self.engine.clone();
        blocking(move || engine.seal(file.as_ref(), image_bytes as u64)).await.err().map(BindingError::from)
    }

    #[napi]
    pub async fn load(&self, file: String) -> Either<BindingComponent, BindingError> {
        let engine = self.engine.clone();
        either(blocking(move || engine.load(file.as_ref()).map(|component| BindingComponent { component })).await)
    }

    /// Makes a service ready and known to the proxy. `on_failure` is called for each instance that ended badly.
    #[napi]
    pub fn start_service(
        &self,
        component: &BindingComponent,
        spec: BindingSpec,
        on_failure: Function<'_, BindingExit, ()>,
    ) -> napi::Result<Either<BindingService, BindingError>> {
        let failures: ThreadsafeFunction<BindingExit, (), BindingExit, napi::Status, false, true> =
            on_failure.build_threadsafe_function().weak::<true>().build()?;
        let listener = Box::new(move |exit: engine::Exit| {
            failures.call(exit.into(), ThreadsafeFunctionCallMode::NonBlocking);
        });
        let service = spec.into_engine().and_then(|spec| self.engine.service(&component.component, spec, listener));
        Ok(either(service.map(|service| BindingService { service })))
    }

    #[napi]
    pub async fn start_command(&self, component: &BindingComponent, spec: BindingSpec) -> Either<BindingCommand, BindingError> {
        let command = spec.into_engine().and_then(|spec| self.engine.command(&component.component, spec));
        either(command.map(|command| BindingCommand { command }))
    }

    /// `gateway`: `ip:port`, or none. `node_port_host`: an IP address.
    #[napi]
    pub async fn open_proxy(&self, gateway: Option<String>, node_port_host: String, tunnel: Option<BindingTunnel>) -> Either<BindingProxy, BindingError> {
        let bad = |what: &str| EngineError::new(ErrorCode::AddressUnavailable, format!("{what} is not an address"));
        let open = || {
            let gateway = gateway.map(|text| text.parse().map_err(|_| bad(&text))).transpose()?;
            let node_port_host = node_port_host.parse().map_err(|_| bad(&node_port_host))?;
            let tunnel = tunnel
                .map(|tunnel| {
                    let address = tunnel.address.parse().map_err(|_| bad(&tunnel.address))?;
                    Ok(engine::TunnelOptions { address, certificate: tunnel.certificate, key: tunnel.key, authority: tunnel.authority })
                })
                .transpose()?;
            engine::Proxy::open(engine::ProxyOptions { gateway, node_port_host, tunnel }, self.engine.cluster().clone())
        };
        either(open().map(|proxy| BindingProxy { proxy }))
    }
}

#[napi]
impl BindingComponent {
    #[napi(getter)]
    pub fn info(&self) -> BindingInfo {
        self.component.info.as_ref().into()
    }
}

#[napi]
impl BindingService {
    #[napi]
    pub fn stats(&self) -> BindingStats {
        self.service.stats().into()
    }

    #[napi]
    pub async fn probe(&self, path: String, headers: Vec<Vec<String>>, timeout_ms: f64) -> Either<u32, BindingError> {
        let headers: Vec<(String, String)> =
            headers.into_iter().filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect();
        either(self.service.probe(&path, &headers, millis(timeout_ms)).await.map(u32::from))
    }

    /// Leaves the proxy's sight first, then drains.
    #[napi]
    pub async fn stop(&self, deadline_ms: f64) {
        self.service.stop(millis(deadline_ms)).await;
    }
}

#[napi]
impl BindingCommand {
    #[napi]
    pub fn stats(&self) -> BindingStats {
        self.command.stats().into()
    }

    #[napi]
    pub async fn exited(&self) -> BindingExit {
        self.command.exited().await.into()
    }

    #[napi]
    pub async fn stop(&self, grace_ms: f64) {
        self.command.stop(millis(grace_ms)).await;
    }
}

#[napi]
impl BindingProxy {
    #[napi(getter)]
    pub fn gateway_port(&self) -> Option<u16> {
        self.proxy.gateway_port()
    }

    #[napi(getter)]
    pub fn tunnel_port(&self) -> Option<u16> {
        self.proxy.tunnel_port()
    }

    #[napi]
    pub async fn apply(&self, services: Vec<BindingRoute>) -> Either<Vec<BindingListenerFailure>, BindingError> {
        let table = match services.into_iter().map(route).collect::<Result<_, _>>() {
            Ok(services) => engine::RoutingTable { services },
            Err(error) => return Either::B(error.into()),
        };
        let failure = |failure: engine::ListenerFailure| BindingListenerFailure {
            host: failure.host.to_string(),
            port: failure.port,
            code: failure.code.as_str().into(),
            service: failure.service,
        };
        Either::A(self.proxy.apply(&table).await.into_iter().map(failure).collect())
    }

    #[napi]
    pub async fn close(&self) {
        self.proxy.close().await;
    }
}

fn route(service: BindingRoute) -> Result<engine::ServiceRoute, EngineError> {
    let bad = |what: &str| EngineError::new(ErrorCode::AddressUnavailable, format!("{what} of {} is not an address", service.host));
    let cluster_ip = service.cluster_ip.as_ref().map(|ip| ip.parse().map_err(|_| bad(&format!("clusterIP {ip}")))).transpose()?;
    let endpoint = |endpoint: BindingEndpoint| -> Result<engine::Endpoint, EngineError> {
        let node = endpoint
            .node
            .map(|node| {
                let address = node.address.parse().map_err(|_| bad(&format!("node address {}", node.address)))?;
                Ok(engine::NodeAddress { address, server_name: node.server_name })
            })
            .transpose()?;
        Ok(engine::Endpoint { workload: endpoint.workload, node })
    };
    let port = |port: BindingPort| -> Result<engine::ServicePort, EngineError> {
        let endpoints = port.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(engine::ServicePort { port: port.port, node_port: port.node_port, endpoints })
    };
    let ports = service.ports.into_iter().map(port).collect::<Result<_, _>>()?;
    Ok(engine::ServiceRoute { host: service.host.clone(), gateway_host: service.gateway_host.clone(), cluster_ip, ports })
}
