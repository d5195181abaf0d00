//! TCP and UDP. A guest may connect where `egress` lets it and listen on its own address and the ports it was granted; `0.0.0.0` and `::` mean
//! its own address, so that two pods may both listen on 8080. Names are looked up when they are granted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::Host as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode as P2Error, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, TcpSocket as P2TcpSocket};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::udp::{self, UdpSocket as P2UdpSocket};
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::sockets::{SocketAddrUse, TcpSocket, UdpSocket, WasiSocketsView};

use super::egress::Egress;
use super::{Capability, Grants};
use crate::error::{EngineError, ErrorCode};
use crate::host::Host;
use crate::limits::Limit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenGrant {
    pub transport: Transport,
    pub port: u16,
}

pub struct Sockets {
    rules: Arc<Rules>,
    lookup: bool,
}

struct Rules {
    egress: Egress,
    names: Egress,
    address: Option<IpAddr>,
    listen: Vec<ListenGrant>,
}

impl Capability for Sockets {
    fn configure(grants: &Grants) -> Result<Self, EngineError> {
        if !grants.listen.is_empty() && grants.address.is_none() {
            return Err(EngineError::new(ErrorCode::BadGrant, "ports to listen on were granted, but no address"));
        }
        let names = Grants { egress: grants.names.iter().map(|name| format!("{name}:*")).collect(), ..Grants::default() };
        let rules = Rules { egress: Egress::configure(grants)?, names: Egress::configure(&names)?, address: grants.address, listen: grants.listen.clone() };
        Ok(Self { lookup: !rules.names.is_empty() || !rules.egress.is_empty(), rules: Arc::new(rules) })
    }

    fn prepare(&self, context: &mut WasiCtxBuilder) {
        let any = !self.rules.egress.is_empty() || !self.rules.listen.is_empty();
        context.allow_tcp(any).allow_udp(any).allow_ip_name_lookup(self.lookup);
        if any {
            let rules = self.rules.clone();
            context.socket_addr_check(move |address, wanted| {
                let rules = rules.clone();
                Box::pin(async move { rules.allow(address, wanted).await })
            });
        }
    }
}

impl Sockets {
    /// `0.0.0.0` and `::` become the workload's own address.
    fn own(&self, wanted: SocketAddr) -> SocketAddr {
        match self.rules.address {
            Some(own) if wanted.ip().is_unspecified() && wanted.port() != 0 && own.is_ipv4() == wanted.is_ipv4() => SocketAddr::new(own, wanted.port()),
            _ => wanted,
        }
    }

    fn looks_up(&self, name: &str) -> bool {
        self.rules.names.names(name) || self.rules.egress.names(name)
    }
}

impl Rules {
    async fn allow(&self, address: SocketAddr, wanted: SocketAddrUse) -> bool {
        match wanted {
            SocketAddrUse::TcpBind | SocketAddrUse::TcpListen => self.listens(Transport::Tcp, address) || (address.port() == 0 && matches!(wanted, SocketAddrUse::TcpBind)),
            // A socket nobody chose a port for is one that sends.
            SocketAddrUse::UdpBind => address.port() == 0 || self.listens(Transport::Udp, address),
            // Whom it hears is up to who knows its port.
            SocketAddrUse::TcpAccept | SocketAddrUse::UdpReceive => true,
            SocketAddrUse::TcpConnect => self.connects(address).await,
            SocketAddrUse::UdpSend => self.connects(address).await || self.listen.iter().any(|grant| grant.transport == Transport::Udp),
        }
    }

    fn listens(&self, transport: Transport, address: SocketAddr) -> bool {
        Some(address.ip()) == self.address && self.listen.contains(&ListenGrant { transport, port: address.port() })
    }

    async fn connects(&self, address: SocketAddr) -> bool {
        if self.egress.allows(&address.ip().to_canonical().to_string(), address.port()) {
            return true;
        }
        if !self.egress.resolved(address) {
            return false;
        }
        for name in self.egress.whole_names(address.port()) {
            let Ok(mut found) = tokio::net::lookup_host((name, address.port())).await else { continue };
            if found.any(|found| found.ip().to_canonical() == address.ip().to_canonical()) {
                return true;
            }
        }
        false
    }
}

/// The two kinds of error of wasmtime-wasi's functions: the guest's, which it is given, and the host's, which ends it.
fn settle<T, E: std::error::Error + Send + Sync + 'static>(result: Result<T, wasmtime_wasi::TrappableError<E>>) -> wasmtime::Result<(Result<T, E>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn room_for_a_socket(host: &mut Host) -> bool {
    let open = host.table().iter_mut().filter(|entry| entry.is::<P2TcpSocket>() || entry.is::<P2UdpSocket>() || entry.is::<TcpSocket>() || entry.is::<UdpSocket>()).count();
    let room = open < host.workload().spec.limits.sockets;
    if !room {
        host.workload().metrics.hit(Limit::Sockets);
    }
    room
}

/// Puts the limit on open sockets, a workload's own address, and its names in front of wasmtime-wasi's functions.
pub fn link(linker: &mut Linker<Host>, concurrent: bool) -> wasmtime::Result<()> {
    linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?.func_wrap("create-tcp-socket", |mut store: StoreContextMut<'_, Host>, (family,): (IpAddressFamily,)| {
        let host = store.data_mut();
        if !room_for_a_socket(host) {
            return Ok((Err(P2Error::NewSocketLimit),));
        }
        settle(host.sockets().create_tcp_socket(family))
    })?;
    linker.instance("wasi:sockets/udp-create-socket@0.2.12")?.func_wrap_async("create-udp-socket", |mut store: StoreContextMut<'_, Host>, (family,): (IpAddressFamily,)| {
        Box::new(async move {
            let host = store.data_mut();
            if !room_for_a_socket(host) {
                return Ok((Err(P2Error::NewSocketLimit),));
            }
            settle(host.sockets().create_udp_socket(family).await)
        })
    })?;
    type Bind<T> = (Resource<T>, Resource<Network>, IpSocketAddress);
    linker.instance("wasi:sockets/tcp@0.2.12")?.func_wrap_async("[method]tcp-socket.start-bind", |mut store: StoreContextMut<'_, Host>, (socket, network, address): Bind<P2TcpSocket>| {
        Box::new(async move {
            let host = store.data_mut();
            let address = host.workload().capabilities.sockets().own(address.into());
            settle(tcp::HostTcpSocket::start_bind(&mut host.sockets(), socket, network, address.into()).await)
        })
    })?;
    linker.instance("wasi:sockets/udp@0.2.12")?.func_wrap_async("[method]udp-socket.start-bind", |mut store: StoreContextMut<'_, Host>, (socket, network, address): Bind<P2UdpSocket>| {
        Box::new(async move {
            let host = store.data_mut();
            let address = host.workload().capabilities.sockets().own(address.into());
            settle(udp::HostUdpSocket::start_bind(&mut host.sockets(), socket, network, address.into()).await)
        })
    })?;
    linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?.func_wrap("resolve-addresses", |mut store: StoreContextMut<'_, Host>, (network, name): (Resource<Network>, String)| {
        let host = store.data_mut();
        if !host.workload().capabilities.sockets().looks_up(&name) {
            return Ok((Err(P2Error::AccessDenied),));
        }
        settle(host.sockets().resolve_addresses(network, name))
    })?;
    if concurrent {
        link_concurrent(linker)?;
    }
    Ok(())
}

fn link_concurrent(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup::ErrorCode as LookupError;
    use wasmtime_wasi::p3::bindings::sockets::types::{self as types3, ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress};
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    types.func_wrap("[static]tcp-socket.create", |mut store: StoreContextMut<'_, Host>, (family,): (IpAddressFamily,)| {
        let host = store.data_mut();
        if !room_for_a_socket(host) {
            return Ok((Err(ErrorCode::Other(Some("too many sockets".into()))),));
        }
        settle(types3::HostTcpSocket::create(&mut host.sockets(), family))
    })?;
    types.func_wrap_async("[static]udp-socket.create", |mut store: StoreContextMut<'_, Host>, (family,): (IpAddressFamily,)| {
        Box::new(async move {
            let host = store.data_mut();
            if !room_for_a_socket(host) {
                return Ok((Err(ErrorCode::Other(Some("too many sockets".into()))),));
            }
            settle(types3::HostUdpSocket::create(&mut host.sockets(), family).await)
        })
    })?;
    types.func_wrap_async("[method]tcp-socket.bind", |mut store: StoreContextMut<'_, Host>, (socket, address): (Resource<TcpSocket>, IpSocketAddress)| {
        Box::new(async move {
            let host = store.data_mut();
            let address = host.workload().capabilities.sockets().own(address.into());
            settle(types3::HostTcpSocket::bind(&mut host.sockets(), socket, address.into()).await)
        })
    })?;
    types.func_wrap_async("[method]udp-socket.bind", |mut store: StoreContextMut<'_, Host>, (socket, address): (Resource<UdpSocket>, IpSocketAddress)| {
        Box::new(async move {
            let host = store.data_mut();
            let address = host.workload().capabilities.sockets().own(address.into());
            settle(types3::HostUdpSocket::bind(&mut host.sockets(), socket, address.into()).await)
        })
    })?;
    linker.instance("wasi:sockets/ip-name-lookup@0.3.0")?.func_wrap_concurrent("resolve-addresses", |accessor: &Accessor<Host>, (name,): (String,)| {
        Box::pin(async move {
            if !accessor.with(|mut access| access.get().workload().capabilities.sockets().looks_up(&name)) {
                return Ok((Err(LookupError::AccessDenied),));
            }
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            Ok((found.map(|found| found.map(|address| IpAddress::from(address.ip().to_canonical())).collect::<Vec<_>>()).map_err(|_| LookupError::NameUnresolvable),))
        })
    })
}
