//! A service: a fresh instance for each request, never used twice. An idle service holds no instance at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::{Notify, oneshot};
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::WasiBody;

use crate::WorkloadSpec;
use crate::cluster::{Cluster, HOPS};
use crate::early_body::{Guest, run_early};
use crate::engine::new_store;
use crate::entry::{Entry, Head};
use crate::error::{EngineError, ErrorCode};
use crate::exit::{Exit, ExitReason};
use crate::host::Host;
use crate::logs::WorkloadLog;

#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub requests: u64,
    pub in_flight: usize,
    pub failures: u64,
    /// Largest total of linear memories any instance reached, bytes.
    pub memory_high_water: usize,
}

pub struct Service {
    entry: Entry,
    instance: InstancePre<Host>,
    spec: WorkloadSpec,
    log: Arc<WorkloadLog>,
    cluster: Arc<Cluster>,
    on_failure: Box<dyn Fn(Exit) + Send + Sync>,
    draining: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
    /// Fires when what is left must end; `killed` is for those that look later.
    kill: Notify,
    killed: AtomicBool,
    requests: AtomicU64,
    failures: AtomicU64,
    memory_high_water: AtomicUsize,
}

/// Counts a request in flight for as long as its guest runs, which is longer than until its response head.
pub(crate) struct InFlight(Arc<Service>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Service {
    pub(crate) fn new(
        instance: InstancePre<Host>,
        spec: WorkloadSpec,
        log: Arc<WorkloadLog>,
        cluster: Arc<Cluster>,
        on_failure: Box<dyn Fn(Exit) + Send + Sync>,
    ) -> Result<Arc<Self>, EngineError> {
        let entry = Entry::of(&instance)?;
        Ok(Arc::new(Self {
            entry,
            instance,
            spec,
            log,
            cluster,
            on_failure,
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            kill: Notify::new(),
            killed: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            memory_high_water: AtomicUsize::new(0),
        }))
    }

    pub fn id(&self) -> &str {
        &self.spec.id
    }

    pub fn stats(&self) -> Stats {
        Stats {
            requests: self.requests.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            memory_high_water: self.memory_high_water.load(Ordering::Relaxed),
        }
    }

    /// Takes one request in, unless the service is draining: then it must go elsewhere.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<InFlight> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        let in_flight = InFlight(self.clone());
        // Counted first and looked at second: a drain that starts in between waits for this request.
        if self.draining.load(Ordering::Acquire) { None } else { Some(in_flight) }
    }

    /// Hands a request to a fresh instance and returns with the response's head; the body streams while the guest goes on.
    ///
    /// Errors: Overloaded (no instance came free in time), OOMKilled, DeadlineExceeded, Trap, NoResponse. All but the
    /// first are also told to the failure listener.
    pub(crate) async fn handle(in_flight: InFlight, request: Request<WasiBody>) -> Result<Response<WasiBody>, EngineError> {
        Self::answer(in_flight, request, true).await
    }

    /// A GET whose failure is nobody's restart: the prober judges it.
    pub async fn probe(self: &Arc<Self>, path: &str, headers: &[(String, String)], timeout: Duration) -> Result<u16, EngineError> {
        let bad = |error: http::Error| EngineError::new(ErrorCode::Internal, format!("probe request: {error}"));
        let mut request = Request::get(path).header("host", "probe.local");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(http_body_util::Empty::new(), |never| match never {}));
        let request = request.body(body).map_err(bad)?;
        let in_flight = self.admit().ok_or_else(|| EngineError::new(ErrorCode::Stopped, format!("{} is stopping", self.spec.id)))?;
        tokio::time::timeout(timeout, Self::answer(in_flight, request, false))
            .await
            .map_err(|_| EngineError::new(ErrorCode::DeadlineExceeded, format!("no answer within {} ms", timeout.as_millis())))?
            .map(|response| response.status().as_u16())
    }

    async fn answer(in_flight: InFlight, request: Request<WasiBody>, report: bool) -> Result<Response<WasiBody>, EngineError> {
        let service = in_flight.0.clone();
        let began = tokio::time::Instant::now();
        let permit = tokio::select! {
            biased;
            permit = service.cluster.instance(service.spec.request_timeout) => permit?,
            () = service.until_killed() => return Err(EngineError::new(ErrorCode::Stopped, Exit::stopped().message)),
        };
        let left = service.spec.request_timeout.saturating_sub(began.elapsed());
        service.requests.fetch_add(1, Ordering::Relaxed);
        let (head, mut response) = oneshot::channel();
        let mut guest: Guest = Box::pin(async move {
            let exit = service.run(request, head, left).await;
            drop(permit);
            if report && exit.reason != ExitReason::Completed && exit.reason != ExitReason::Stopped {
                service.failures.fetch_add(1, Ordering::Relaxed);
                (service.on_failure)(exit.clone());
            }
            drop(in_flight);
            exit
        });
        let (answer, exit) = tokio::select! {
            biased;
            exit = &mut guest => (response.try_recv().ok(), Some(exit)),
            answer = &mut response => (answer.ok(), None),
        };
        match (answer, exit) {
            (Some(Ok(response)), Some(_)) => Ok(response),
            (Some(Ok(response)), None) => {
                let (head, body) = response.into_parts();
                Ok(Response::from_parts(head, run_early(guest, body).await))
            }
            (Some(Err(code)), exit) => {
                if exit.is_none() {
                    tokio::spawn(guest);
                }
                Err(EngineError::new(ErrorCode::NoResponse, format!("the guest answered with an error: {code}")))
            }
            (None, Some(exit)) => Err(EngineError::new(code_of(exit.reason), exit.message)),
            (None, None) => {
                let exit = guest.await;
                Err(EngineError::new(code_of(exit.reason), exit.message))
            }
        }
    }

    async fn run(&self, request: Request<WasiBody>, head: Head, left: Duration) -> Exit {
        let hops = request.headers().get(HOPS).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        let mut store = new_store(&self.instance, &self.spec, &self.log, &self.cluster, hops);
        let ended = {
            let call = self.entry.call(&mut store, request, head);
            tokio::select! {
                outcome = tokio::time::timeout(left, call) => Some(outcome),
                () = self.until_killed() => None,
            }
        };
        self.memory_high_water.fetch_max(store.data().limiter.used_bytes(), Ordering::Relaxed);
        match ended {
            None => Exit::stopped(),
            Some(Err(_)) => Exit::deadline(self.spec.request_timeout),
            Some(Ok(Ok(true))) => Exit::completed(),
            Some(Ok(Ok(false))) => Exit::guest(1, "the guest returned without an answer"),
            Some(Ok(Err(error))) => Exit::from_error(&error, store.data()),
        }
    }

    /// Leaves the routes' sight, takes no more requests, waits for those in flight at most `deadline`, then ends them. Idempotent.
    pub async fn stop(&self, deadline: Duration) {
        self.cluster.remove(&self.spec.id);
        self.draining.store(true, Ordering::Release);
        let _ = tokio::time::timeout(deadline, self.until_idle()).await;
        if self.in_flight.load(Ordering::Acquire) > 0 {
            self.killed.store(true, Ordering::Release);
            self.kill.notify_waiters();
            self.until_idle().await;
        }
    }

    async fn until_killed(&self) {
        // Made before the flag is looked at, so that a kill in between is heard.
        let kill = self.kill.notified();
        if !self.killed.load(Ordering::Acquire) {
            kill.await;
        }
    }

    async fn until_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.in_flight.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

fn code_of(reason: ExitReason) -> ErrorCode {
    match reason {
        ExitReason::OomKilled => ErrorCode::OomKilled,
        ExitReason::DeadlineExceeded => ErrorCode::DeadlineExceeded,
        ExitReason::Trap => ErrorCode::Trap,
        ExitReason::Stopped => ErrorCode::Stopped,
        ExitReason::Completed | ExitReason::Error => ErrorCode::NoResponse,
    }
}
