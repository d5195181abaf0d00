//! A service: instances that answer requests, a fresh one each time unless its owner chose to reuse them. An idle service holds none.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Body;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use wasmtime_wasi_http::WasiBody;

use crate::body::{Allowance, Fate, receive};
use crate::cluster::{DEADLINE, HOPS, TRACEPARENT, failure};
use crate::early_body::run_early;
use crate::engine::Component;
use crate::entry::{Head, Live, exit_of};
use crate::error::{EngineError, ErrorCode};
use crate::exit::{Exit, ExitReason};
use crate::guest::{Bounded, Ended, Guest, Stop, spawn, spawn_busy, was_busy};
use crate::host::{RequestContext, new_store};
use crate::limits::Limit;
use crate::metrics::Stats;
use crate::reuse::{Instance, Job, Seat, SharedInstance, Shelf, serve, share};
use crate::room::Slot;
use crate::workers::Workers;
use crate::workload::{Reuse, Workload};

type OnFailure = Box<dyn Fn(Exit) + Send + Sync>;

/// A fresh instance that is being made ready must not hang for ever.
const WARMING: Duration = Duration::from_secs(30);
/// Turns of other tasks that an answer of a shared instance waits for more of itself.
const SHARED_TURNS: u32 = 2;

pub struct Service {
    component: Component,
    workload: Arc<Workload>,
    on_failure: OnFailure,
    /// Fresh instances, or used ones when they may be used again.
    shelf: Shelf,
    warming: AtomicBool,
    shared: Mutex<Vec<Arc<SharedInstance>>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    draining: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
    stop: Arc<Stop>,
}

/// Counts a request in flight for as long as its guest runs, which is longer than until its response head.
pub(crate) struct InFlight(Arc<Service>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.draining.load(Ordering::Acquire) {
            self.0.idle.notify_waiters();
        }
    }
}

/// One request on its way to a guest.
struct Visit {
    request: Request<WasiBody>,
    context: RequestContext,
    deadline: Instant,
    head: Option<Head>,
    /// Whether a bad end is told and counted; a probe's is not.
    report: bool,
    /// Of the response's body.
    fate: Arc<Fate>,
    place: OwnedSemaphorePermit,
    in_flight: InFlight,
}

impl Service {
    pub(crate) fn new(component: Component, workload: Arc<Workload>, on_failure: OnFailure) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(workload.spec.limits.concurrency));
        let service = Arc::new(Self {
            component,
            workload,
            on_failure,
            shelf: Shelf::default(),
            warming: AtomicBool::new(false),
            shared: Mutex::default(),
            places,
            waiting: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            stop: Arc::default(),
        });
        service.keep_warm();
        service
    }

    pub fn id(&self) -> &str {
        &self.workload.spec.id
    }

    pub fn stats(&self) -> Stats {
        self.workload.stats(self.in_flight.load(Ordering::Relaxed))
    }

    /// Takes one request in, unless the service is draining: then it must go elsewhere.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<InFlight> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        let in_flight = InFlight(self.clone());
        // Counted first and looked at second: a drain that starts in between waits for this request.
        if self.draining.load(Ordering::Acquire) { None } else { Some(in_flight) }
    }

    /// Has a guest answer a request; the body streams while the guest goes on.
    pub(crate) async fn handle(in_flight: InFlight, request: Request<WasiBody>) -> Response<WasiBody> {
        let began = Instant::now();
        let service = in_flight.0.clone();
        let workload = &service.workload;
        workload.metrics.started();
        let asked = workload.spec.access_log.then(|| format!("{} {}", request.method(), request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str)));
        let response = match Self::answer(in_flight, request, began, true).await {
            Ok(response) => response,
            Err(error) => failure(&error),
        };
        let (status, took) = (response.status().as_u16(), began.elapsed());
        workload.metrics.answered(status, took);
        if let Some(asked) = asked {
            workload.log.line("stdout", &format!("access {status} {asked} {} us", took.as_micros()));
        }
        response
    }

    /// One GET from within, to see whether the guest answers; its status.
    ///
    /// Errors: Stopped, and all of `answer`. A bad end is neither counted nor told.
    pub async fn probe(self: &Arc<Self>, path: &str, headers: &[(String, String)], timeout: Duration) -> Result<u16, EngineError> {
        let in_flight = self.admit().ok_or_else(|| EngineError::new(ErrorCode::Stopped, "the workload is draining"))?;
        let mut request = Request::builder().uri(format!("http://localhost{path}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = request.body(body).map_err(|error| EngineError::new(ErrorCode::Internal, format!("probe of {path}: {error}")))?;
        let late = || EngineError::new(ErrorCode::DeadlineExceeded, format!("no answer within {} ms", timeout.as_millis()));
        let answer = Self::answer(in_flight, request, Instant::now(), false);
        tokio::time::timeout(timeout, answer).await.map_err(|_| late())?.map(|response| response.status().as_u16())
    }

    /// Errors: RequestTooLarge, HeadersTooLarge, Overloaded (no place or no instance came free), OOMKilled, DeadlineExceeded, Trap, NoResponse.
    async fn answer(in_flight: InFlight, request: Request<WasiBody>, began: Instant, report: bool) -> Result<Response<WasiBody>, EngineError> {
        let service = in_flight.0.clone();
        let workload = &service.workload;
        service.check_size(&request)?;
        let context = context_of(request.headers(), began + workload.spec.limits.request_timeout);
        let deadline = context.deadline.unwrap_or(began);
        let place = service.place(deadline).await?;
        let (sender, head) = oneshot::channel();
        let request = request.map(|body| receive(body, workload));
        let fate: Arc<Fate> = Arc::default();
        let visit = Visit { request, context, deadline, head: Some(sender), report, fate: fate.clone(), place, in_flight };
        // The task of an instance that answers several requests has to have its turn before there is anything to hold.
        let (guest, turns): (Guest, u32) = match workload.spec.reuse {
            Reuse::Pooled { max, idle, concurrent } if service.component.info.concurrent => (Box::pin(service.clone().visit_shared(visit, max, idle, concurrent)), SHARED_TURNS),
            _ => (Box::pin(service.clone().visit(visit)), 0),
        };
        let allowance = Allowance::new(workload.clone(), fate);
        let (answer, guest) = until_head(guest, head).await;
        match answer {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                Ok(Response::from_parts(head, run_early(guest, body, allowance, turns).await))
            }
            Ok(Err(error)) => {
                if let Some(guest) = guest {
                    spawn(guest);
                }
                Err(error)
            }
            Err(_) => Err(EngineError::new(ErrorCode::Internal, "the request was lost")),
        }
    }

    fn check_size(&self, request: &Request<WasiBody>) -> Result<(), EngineError> {
        let limits = &self.workload.spec.limits;
        let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers > limits.header_bytes {
            self.workload.metrics.hit(Limit::Headers);
            return Err(EngineError::new(ErrorCode::HeadersTooLarge, format!("{headers} bytes of headers are more than the limit of {}", limits.header_bytes)));
        }
        if request.body().size_hint().lower() > limits.request_body_bytes {
            self.workload.metrics.hit(Limit::RequestBody);
            return Err(EngineError::new(ErrorCode::RequestTooLarge, format!("the body is larger than the limit of {} bytes", limits.request_body_bytes)));
        }
        Ok(())
    }

    /// One of the workload's places; as many requests as it has places may wait for one.
    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, EngineError> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let most = self.workload.spec.limits.concurrency;
        let full = || {
            self.workload.metrics.hit(Limit::Concurrency);
            EngineError::new(ErrorCode::Overloaded, format!("{most} requests are under way already, and as many wait"))
        };
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let ahead = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if ahead >= most {
            return Err(full());
        }
        tokio::select! {
            place = self.places.clone().acquire_owned() => place.map_err(|_| full()),
            () = tokio::time::sleep_until(deadline.into()) => Err(full()),
            () = self.stop.clone().stopped() => Err(EngineError::new(ErrorCode::Stopped, Exit::stopped().message)),
        }
    }

    /// For measuring: makes a fresh instance and drops it; whether it could be made.
    pub async fn rehearse(&self) -> bool {
        self.make().await.is_some()
    }

    /// A request with an instance to itself.
    async fn visit(self: Arc<Self>, visit: Visit) {
        let Visit { request, context, deadline, mut head, report, fate, place, in_flight } = visit;
        match self.instance_for(deadline).await {
            Err(error) => answer_error(&mut head, error),
            // The slot comes first, so that it is given back last when the client goes away in the middle.
            Ok((slot, mut store, mut live, uses)) => {
                store.data_mut().begin(context);
                store.set_epoch_deadline(1);
                let ended = {
                    let call = pin!(async {
                        let live = match &live {
                            Some(live) => live,
                            None => live.insert(self.component.image.entry().instantiate(&mut store).await?),
                        };
                        live.call(&mut store, request, &mut head).await
                    });
                    Bounded::new(call, self.workload.clone(), Some(deadline), self.stop.clone()).await
                };
                let exit = match ended {
                    Ended::Returned(outcome) => exit_of(&outcome, head.is_none(), store.data()),
                    ended => self.exit_unreturned(&ended),
                };
                self.workload.metrics.memory(store.data().limiter.used_bytes());
                let well = exit.reason == ExitReason::Completed && !store.data_mut().left_a_body();
                if !well {
                    fate.spoil();
                }
                match (self.workload.spec.reuse, live) {
                    (Reuse::Pooled { max, idle, .. }, Some(live)) if well && uses + 1 < max => {
                        self.keep(Instance { store, live, uses: uses + 1, slot }, idle);
                    }
                    _ => {
                        drop(store);
                        drop(slot);
                    }
                }
                // A guest whose client has gone may trap on writing to nobody: that is not its fault.
                let unheard = fate.is_abandoned() && matches!(exit.reason, ExitReason::Trap | ExitReason::Error);
                self.finish(&exit, &mut head, report && !unheard);
            }
        }
        drop(place);
        drop(in_flight);
        if self.workload.spec.reuse == Reuse::Request {
            self.keep_warm();
        }
    }

    async fn instance_for(&self, deadline: Instant) -> Result<(Slot, wasmtime::Store<crate::host::Host>, Option<Live>, u32), EngineError> {
        if let Some(Instance { store, live, uses, slot }) = self.shelf.take() {
            return Ok((slot, store, Some(live), uses));
        }
        let slot = self.component.room.take(self.component.weight, deadline).await?;
        Ok((slot, new_store(self.component.image.engine(), &self.workload, RequestContext::default()), None, 0))
    }

    fn exit_unreturned<T>(&self, ended: &Ended<T>) -> Exit {
        if matches!(ended, Ended::Late) {
            self.workload.metrics.hit(Limit::RequestTime);
            return Exit::deadline(self.workload.spec.limits.request_timeout);
        }
        Exit::stopped()
    }

    /// Tells and counts a bad end, and answers whoever still waits.
    fn finish(&self, exit: &Exit, head: &mut Option<Head>, report: bool) {
        if report && exit.reason != ExitReason::Completed && exit.reason != ExitReason::Stopped {
            self.workload.metrics.failed(exit.reason);
            (self.on_failure)(exit.clone());
        }
        answer_error(head, EngineError::new(code_of(exit.reason), exit.message.clone()));
    }

    fn keep(self: &Arc<Self>, instance: Instance, idle: Duration) {
        if self.draining.load(Ordering::Acquire) {
            return;
        }
        self.shelf.put(instance);
        if !self.shelf.watch() {
            return;
        }
        let service = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle).await;
                let Some(service) = service.upgrade() else { return };
                if service.shelf.expire(idle) == 0 && service.shelf.unwatch() {
                    return;
                }
            }
        });
    }

    /// Makes fresh instances on the background threads, one task for all, until as many are ready as were asked for.
    fn keep_warm(self: &Arc<Self>) {
        if !self.wants_warm() || self.warming.swap(true, Ordering::AcqRel) {
            return;
        }
        let service = self.clone();
        Workers::background().spawn(async move {
            while service.wants_warm() {
                let Some(instance) = service.make().await else {
                    service.warming.store(false, Ordering::Release);
                    return;
                };
                service.shelf.put(instance);
            }
            service.warming.store(false, Ordering::Release);
            // One taken in between found that somebody was at it.
            service.keep_warm();
        });
    }

    fn wants_warm(&self) -> bool {
        let most = self.workload.spec.warm;
        most > 0 && !self.draining.load(Ordering::Acquire) && self.shelf.len() < most
    }

    /// A fresh instance; none when it does not start, which the next request will find out and tell.
    async fn make(&self) -> Option<Instance> {
        let slot = self.component.room.try_take(self.component.weight).ok()?;
        let mut store = new_store(self.component.image.engine(), &self.workload, RequestContext::default());
        let ended = {
            let entry = self.component.image.entry();
            let call = pin!(entry.instantiate(&mut store));
            Bounded::new(call, self.workload.clone(), Some(Instant::now() + WARMING), self.stop.clone()).await
        };
        match ended {
            Ended::Returned(Ok(live)) => Some(Instance { store, live, uses: 0, slot }),
            _ => None,
        }
    }

    /// A request in an instance that answers others at the same time.
    async fn visit_shared(self: Arc<Self>, visit: Visit, max: u32, idle: Duration, concurrent: u32) {
        let Visit { request, deadline, mut head, report, fate, place, in_flight, .. } = visit;
        match self.seat(deadline, max, idle, concurrent).await {
            Err(error) => answer_error(&mut head, error),
            Ok(seat) => {
                let (done, mut finished) = mpsc::channel::<()>(1);
                let (inner, answered) = oneshot::channel();
                let sent = seat.send(Job { request, head: inner, done });
                let exit = if !sent {
                    Exit::stopped()
                } else {
                    tokio::select! {
                        exit = self.wait_shared(&seat, answered, &mut head, &mut finished) => exit,
                        () = tokio::time::sleep_until(deadline.into()) => {
                            // The guest's other tasks get their time; what is still there then is ended with the instance.
                            seat.instance().retire(self.workload.spec.limits.request_timeout);
                            self.exit_unreturned::<()>(&Ended::Late)
                        }
                        () = self.stop.clone().stopped() => Exit::stopped(),
                    }
                };
                if exit.reason != ExitReason::Completed {
                    fate.spoil();
                }
                // The instance's own end was told where it runs.
                self.finish(&exit, &mut head, report && exit.reason == ExitReason::DeadlineExceeded);
            }
        }
        drop(place);
        drop(in_flight);
    }

    async fn wait_shared(&self, seat: &Seat, answered: oneshot::Receiver<Result<Response<WasiBody>, EngineError>>, head: &mut Option<Head>, finished: &mut mpsc::Receiver<()>) -> Exit {
        let Ok(answer) = answered.await else { return seat.instance().exit().await };
        if let Some(head) = head.take() {
            let _ = head.send(answer);
        }
        let _ = finished.recv().await;
        Exit::completed()
    }

    /// A seat in an instance that has room, or in a new one.
    async fn seat(self: &Arc<Self>, deadline: Instant, max: u32, idle: Duration, concurrent: u32) -> Result<Seat, EngineError> {
        {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let room = |near: bool| shared.iter().filter(|instance| instance.is_near() == near).find_map(|instance| instance.enter(concurrent));
            if let Some(seat) = room(true).or_else(|| room(false)) {
                return Ok(seat);
            }
        }
        let slot = self.component.room.take(self.component.weight, deadline).await?;
        let (instance, inbox, told) = share(max.max(1));
        let seat = instance.enter(concurrent.max(1)).ok_or_else(|| EngineError::new(ErrorCode::Internal, "a new instance is full"))?;
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.retain(|instance| !instance.spent());
            shared.push(instance.clone());
        }
        spawn(Box::pin(self.clone().run_shared(slot, inbox, told, instance.stop.clone(), idle)));
        Ok(seat)
    }

    async fn run_shared(self: Arc<Self>, slot: Slot, inbox: mpsc::UnboundedReceiver<Job>, told: watch::Sender<Option<Exit>>, stop: Arc<Stop>, idle: Duration) {
        let mut store = new_store(self.component.image.engine(), &self.workload, RequestContext::default());
        let ended = {
            let call = pin!(async {
                match self.component.image.entry().instantiate(&mut store).await? {
                    Live::Http3(service) => serve(&mut store, &service, inbox, idle).await,
                    Live::Http2(_) => Err(wasmtime::Error::msg("only WASI 0.3 answers several requests at once")),
                }
            });
            Bounded::new(call, self.workload.clone(), None, stop).await
        };
        let exit = match ended {
            Ended::Returned(outcome) => exit_of(&outcome, true, store.data()),
            ended => self.exit_unreturned(&ended),
        };
        self.workload.metrics.memory(store.data().limiter.used_bytes());
        drop(store);
        drop(slot);
        self.finish(&exit, &mut None, true);
        let _ = told.send(Some(exit));
    }

    /// Leaves the routes' sight, takes no more requests, waits for those in flight at most `deadline`, then ends them. Idempotent.
    pub async fn stop(&self, deadline: Duration) {
        self.workload.shared.cluster.remove(self.id());
        self.draining.store(true, Ordering::Release);
        if tokio::time::timeout(deadline, self.until_idle()).await.is_err() {
            self.stop.stop();
            self.until_idle().await;
        }
        self.shelf.clear();
        for instance in std::mem::take(&mut *self.shared.lock().unwrap_or_else(PoisonError::into_inner)) {
            instance.stop.stop();
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

type Answer = Result<Result<Response<WasiBody>, EngineError>, oneshot::error::RecvError>;

/// Polls the guest where its client's connection is, until the response's head is there. A guest that is busy goes on elsewhere.
async fn until_head(guest: Guest, mut head: oneshot::Receiver<Result<Response<WasiBody>, EngineError>>) -> (Answer, Option<Guest>) {
    let mut guest = Some(guest);
    let answer = poll_fn(|context| {
        if let Some(running) = &mut guest {
            if running.as_mut().poll(context).is_ready() {
                guest = None;
            } else if was_busy()
                && let Some(busy) = guest.take()
            {
                spawn_busy(busy);
            }
        }
        pin!(&mut head).poll(context)
    });
    (answer.await, guest)
}

fn answer_error(head: &mut Option<Head>, error: EngineError) {
    if let Some(head) = head.take() {
        let _ = head.send(Err(error));
    }
}

fn context_of(headers: &HeaderMap, own: Instant) -> RequestContext {
    let number = |name: &http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let given = number(&DEADLINE).map(|millis| Instant::now() + Duration::from_millis(millis));
    RequestContext {
        hops: number(&HOPS).and_then(|hops| u8::try_from(hops).ok()).unwrap_or(0),
        deadline: Some(given.map_or(own, |given| given.min(own))),
        traceparent: headers.get(&TRACEPARENT).cloned(),
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

