//! The ways into a component: `wasi:http/incoming-handler@0.2`, `wasi:http/handler@0.3`, `wasi:cli/run` of either.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, InstancePre};
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre as Command2Pre;
use wasmtime_wasi::p3::bindings::CommandPre as Command3Pre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode as P2Error, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::{Service as P3Service, ServicePre};
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

use crate::error::{EngineError, ErrorCode};
use crate::exit::{Exit, ExitReason};
use crate::host::Host;
use crate::inspect::WorkloadKind;

/// Where a response's head goes, or why there is none.
pub type Head = oneshot::Sender<Result<Response<WasiBody>, EngineError>>;

/// A component ready to be instantiated.
pub enum Entry {
    Http2(ProxyPre<Host>),
    Http3(ServicePre<Host>),
    Run2(Command2Pre<Host>),
    Run3(Command3Pre<Host>),
}

/// An instance that answers requests.
pub enum Live {
    Http2(Proxy),
    Http3(P3Service),
}

impl Entry {
    /// Errors: NoEntryPoint.
    pub fn of(kind: WorkloadKind, instance: &InstancePre<Host>) -> Result<Self, EngineError> {
        let refused = |error: wasmtime::Error| EngineError::new(ErrorCode::NoEntryPoint, format!("the component's entry point does not fit: {error:#}"));
        match kind {
            WorkloadKind::Service => match ServicePre::new(instance.clone()) {
                Ok(pre) => Ok(Self::Http3(pre)),
                Err(_) => ProxyPre::new(instance.clone()).map(Self::Http2).map_err(refused),
            },
            WorkloadKind::Command => match Command3Pre::new(instance.clone()) {
                Ok(pre) => Ok(Self::Run3(pre)),
                Err(_) => Command2Pre::new(instance.clone()).map(Self::Run2).map_err(refused),
            },
        }
    }

    pub async fn instantiate(&self, store: &mut Store<Host>) -> wasmtime::Result<Live> {
        match self {
            Self::Http2(pre) => pre.instantiate_async(store).await.map(Live::Http2),
            Self::Http3(pre) => pre.instantiate_async(store).await.map(Live::Http3),
            Self::Run2(_) | Self::Run3(_) => Err(wasmtime::Error::msg("a command answers no requests")),
        }
    }

    /// Runs a command to its end.
    pub async fn run(&self, store: &mut Store<Host>) -> wasmtime::Result<Result<(), ()>> {
        match self {
            Self::Run2(pre) => pre.instantiate_async(&mut *store).await?.wasi_cli_run().call_run(store).await,
            Self::Run3(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                store.run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await).await?
            }
            Self::Http2(_) | Self::Http3(_) => Err(wasmtime::Error::msg("a service does not run")),
        }
    }
}

impl Live {
    /// Answers one request and goes on until the guest has nothing left to do; the response's head is sent as soon as it is there.
    pub async fn call(&self, store: &mut Store<Host>, request: Request<WasiBody>, head: &mut Option<Head>) -> wasmtime::Result<()> {
        match self {
            Self::Http2(proxy) => call_2(proxy, store, request, head).await,
            Self::Http3(service) => store.run_concurrent(async |accessor| {
                call_3(accessor, service, request, head).await?;
                // The guest may have work of its own left.
                poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
                Ok(())
            }).await?,
        }
    }
}

async fn call_2(proxy: &Proxy, store: &mut Store<Host>, request: Request<WasiBody>, head: &mut Option<Head>) -> wasmtime::Result<()> {
    let (sender, mut receiver) = oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let outparam = store.data_mut().http().new_response_outparam(sender)?;
    let handle = proxy.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam);
    tokio::pin!(handle);
    let mut answer = |result: Result<_, P2Error>| {
        if let Some(head) = head.take() {
            let _ = head.send(result.map_err(guests_own));
        }
    };
    tokio::select! {
        biased;
        result = &mut receiver => match result {
            Ok(result) => {
                answer(result);
                handle.await
            }
            Err(_) => handle.await,
        },
        outcome = &mut handle => {
            if let Ok(result) = receiver.try_recv() {
                answer(result);
            }
            outcome
        }
    }
}

/// One request of possibly several in one instance; returns when its response is sent, body and all. The body may come from the host by way of the guest (a file, a
/// socket), and the guest may be through long before it is.
pub async fn call_3(accessor: &Accessor<Host>, service: &P3Service, request: Request<WasiBody>, head: &mut Option<Head>) -> wasmtime::Result<()> {
    let (request, sent) = accessor.with(|mut store| {
        let (request, sent) = p3::Request::from_http(store.get().http().hooks, request);
        // Boxed, because its type would otherwise borrow the store it does not use.
        (request, Box::pin(sent) as Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>)
    });
    let (alive, over) = oneshot::channel::<()>();
    let result = match service.handle(accessor, request).await? {
        Ok(response) => {
            let response = accessor.with(|mut store| response.into_http(&mut store, sent))?;
            Ok(response.map(|body| Streaming { body, _alive: alive }.boxed_unsync()))
        }
        Err(code) => {
            drop(alive);
            Err(guests_own(code))
        }
    };
    if let Some(head) = head.take() {
        let _ = head.send(result);
    }
    // Nothing is sent on it: it ends when its reader has the last of the body, or goes away.
    let _ = over.await;
    Ok(())
}

/// A body that lets go when it is.
struct Streaming {
    body: WasiBody,
    _alive: oneshot::Sender<()>,
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn guests_own(code: impl std::fmt::Debug) -> EngineError {
    EngineError::new(ErrorCode::NoResponse, format!("the guest answered with an error: {code:?}"))
}

/// How a request ended whose call did.
pub fn exit_of(outcome: &wasmtime::Result<()>, answered: bool, host: &Host) -> Exit {
    match outcome {
        Ok(()) if answered => Exit::completed(),
        Ok(()) => Exit::guest(1, "the guest returned without an answer"),
        Err(error) => match Exit::from_error(error, host) {
            exit if exit.reason == ExitReason::Completed && !answered => Exit::guest(1, "the guest exited without an answer"),
            exit => exit,
        },
    }
}
