//! The two ways into an HTTP component: `wasi:http/incoming-handler@0.2` and `wasi:http/handler@0.3`.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use http::{Request, Response};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use crate::error::{EngineError, ErrorCode};
use crate::host::Host;

/// Where a response's head goes, or the guest's own word for why there is none.
pub type Head = oneshot::Sender<Result<Response<WasiBody>, String>>;

pub enum Entry {
    P2(ProxyPre<Host>),
    P3(ServicePre<Host>),
}

impl Entry {
    /// Errors: NoEntryPoint.
    pub fn of(instance: &InstancePre<Host>) -> Result<Self, EngineError> {
        if let Ok(pre) = ServicePre::new(instance.clone()) {
            return Ok(Self::P3(pre));
        }
        let pre = ProxyPre::new(instance.clone()).map_err(|error| EngineError::new(ErrorCode::NoEntryPoint, format!("not an HTTP component: {error:#}")))?;
        Ok(Self::P2(pre))
    }

    /// Runs a fresh instance on one request until it has nothing left to do; the response's head is sent as soon as it is there.
    /// Whether the guest answered at all.
    pub async fn call(&self, store: &mut Store<Host>, request: Request<WasiBody>, head: Head) -> wasmtime::Result<bool> {
        match self {
            Self::P2(pre) => call_p2(pre, store, request, head).await,
            Self::P3(pre) => call_p3(pre, store, request, head).await,
        }
    }
}

async fn call_p2(pre: &ProxyPre<Host>, store: &mut Store<Host>, request: Request<WasiBody>, head: Head) -> wasmtime::Result<bool> {
    let (sender, mut receiver) = oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let outparam = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = pre.instantiate_async(&mut *store).await?;
    let handle = proxy.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam);
    tokio::pin!(handle);
    let mut head = Some(head);
    let answer = |head: &mut Option<Head>, result: Result<_, wasmtime_wasi_http::p2::bindings::http::types::ErrorCode>| {
        if let Some(head) = head.take() {
            let _ = head.send(result.map_err(|code| format!("{code:?}")));
        }
    };
    let outcome = loop {
        tokio::select! {
            biased;
            result = &mut receiver, if head.is_some() => match result {
                Ok(result) => answer(&mut head, result),
                Err(_) => break handle.await,
            },
            outcome = &mut handle => break outcome,
        }
    };
    if head.is_some() && let Ok(result) = receiver.try_recv() {
        answer(&mut head, result);
    }
    outcome.map(|()| head.is_none())
}

async fn call_p3(pre: &ServicePre<Host>, store: &mut Store<Host>, request: Request<WasiBody>, head: Head) -> wasmtime::Result<bool> {
    let service = pre.instantiate_async(&mut *store).await?;
    store
        .run_concurrent(async |accessor| -> wasmtime::Result<bool> {
            let (request, sent) = accessor.with(|mut store| {
                let (request, sent) = p3::Request::from_http(store.get().http().hooks, request);
                // Boxed, because its type would otherwise borrow the store it does not use.
                (request, Box::pin(sent) as Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>)
            });
            match service.handle(accessor, request).await? {
                Ok(response) => {
                    let response = accessor.with(|mut store| response.into_http(&mut store, sent))?;
                    let _ = head.send(Ok(response));
                }
                Err(code) => {
                    let _ = head.send(Err(format!("{code:?}")));
                }
            }
            // The body streams, and the guest may have work of its own left: the instance lives until both are done.
            poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            Ok(true)
        })
        .await?
}
