//! Instances that outlive a request: fresh ones kept ready, and used ones kept for the next. What is kept is dropped when nobody came for it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Request;
use tokio::sync::{mpsc, watch};
use wasmtime::Store;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p3::bindings::Service as P3Service;

use crate::entry::{Head, Live, call_3};
use crate::exit::Exit;
use crate::guest::Stop;
use crate::host::Host;
use crate::room::Slot;
use crate::workers::Workers;

/// An instance with its store, and the room it takes in the pool.
pub struct Instance {
    pub store: Store<Host>,
    pub live: Live,
    pub uses: u32,
    /// Given back after the store is gone.
    pub slot: Slot,
}

/// Instances waiting for a request, newest first: what was used last is still in the cache.
#[derive(Default)]
pub struct Shelf {
    instances: Mutex<VecDeque<(Instant, Instance)>>,
    /// Whether somebody will look for those that nobody came for.
    watched: AtomicBool,
}

impl Shelf {
    fn locked(&self) -> MutexGuard<'_, VecDeque<(Instant, Instance)>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> Option<Instance> {
        self.locked().pop_front().map(|(_, instance)| instance)
    }

    pub fn put(&self, instance: Instance) {
        self.locked().push_front((Instant::now(), instance));
    }

    /// True for the one caller who is to look after the shelf now, until it is empty.
    pub fn watch(&self) -> bool {
        !self.watched.swap(true, Ordering::AcqRel)
    }

    /// Whether there is nothing left to look after. What is put from now on finds nobody watching.
    pub fn unwatch(&self) -> bool {
        self.watched.store(false, Ordering::Release);
        // Put in between, by somebody who saw that it was watched: it is looked after by whoever is first now.
        self.len() == 0 || !self.watch()
    }

    pub fn len(&self) -> usize {
        self.locked().len()
    }

    /// Drops what has waited for `idle`; how many are left.
    pub fn expire(&self, idle: Duration) -> usize {
        let mut shelf = self.locked();
        let kept = shelf.partition_point(|(since, _)| since.elapsed() < idle);
        let gone = shelf.split_off(kept);
        drop(shelf);
        drop(gone);
        kept
    }

    pub fn clear(&self) {
        let gone = std::mem::take(&mut *self.locked());
        drop(gone);
    }
}

/// A request for an instance that answers several at once.
pub struct Job {
    pub request: Request<WasiBody>,
    pub head: Head,
    /// Dropped when the guest has nothing left to do for it.
    pub done: mpsc::Sender<()>,
}

/// The way into an instance that answers several requests at once.
pub struct SharedInstance {
    jobs: mpsc::UnboundedSender<Job>,
    open: AtomicU32,
    /// Requests it may still take in its life.
    left: AtomicU32,
    /// Ends it, whatever it is doing.
    pub stop: Arc<Stop>,
    ended: watch::Receiver<Option<Exit>>,
    /// The thread of the data path it runs on.
    home: Option<usize>,
}

impl SharedInstance {
    /// Whether a request of this thread wakes no other one.
    pub fn is_near(&self) -> bool {
        Workers::current() == self.home
    }

    /// A place in it, unless it is full or at its end.
    pub fn enter(self: &Arc<Self>, most: u32) -> Option<Seat> {
        let seated = self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < most).then_some(open + 1)).is_ok();
        if !seated {
            return None;
        }
        let seat = Seat(self.clone());
        let counted = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
        (counted && !self.jobs.is_closed()).then_some(seat)
    }

    pub fn spent(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0 || self.jobs.is_closed()
    }

    /// It takes no more requests, and is ended when those it has are not done after `patience`.
    pub fn retire(self: &Arc<Self>, patience: Duration) {
        self.left.store(0, Ordering::Release);
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            stop.stop();
        });
    }

    /// How it ended; waits until it has.
    pub async fn exit(&self) -> Exit {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_else(Exit::stopped),
            Err(_) => Exit::stopped(),
        }
    }
}

pub struct Seat(Arc<SharedInstance>);

impl Seat {
    pub fn instance(&self) -> &Arc<SharedInstance> {
        &self.0
    }

    /// False when the instance ended in between.
    pub fn send(&self, job: Job) -> bool {
        self.0.jobs.send(job).is_ok()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The two ends of a new one: where requests are sent, and what `serve` takes them from and tells its exit to.
pub fn share(max: u32) -> (Arc<SharedInstance>, mpsc::UnboundedReceiver<Job>, watch::Sender<Option<Exit>>) {
    let (jobs, inbox) = mpsc::unbounded_channel();
    let (told, ended) = watch::channel(None);
    (Arc::new(SharedInstance { jobs, open: AtomicU32::new(0), left: AtomicU32::new(max), stop: Arc::default(), ended, home: Workers::current() }), inbox, told)
}

/// Answers jobs, several at once, until nobody has sent one for `idle`, or the inbox is closed, and all are done.
pub async fn serve(store: &mut Store<Host>, service: &P3Service, mut inbox: mpsc::UnboundedReceiver<Job>, idle: Duration) -> wasmtime::Result<()> {
    store
        .run_concurrent(async |accessor| {
            let mut open = FuturesUnordered::new();
            loop {
                let busy = !open.is_empty();
                tokio::select! {
                    biased;
                    Some(result) = open.next(), if busy => result?,
                    job = inbox.recv() => match job {
                        Some(Job { request, head, done }) => open.push(async move {
                            let mut head = Some(head);
                            let outcome = call_3(accessor, service, request, &mut head).await;
                            drop(done);
                            outcome
                        }),
                        None => break,
                    },
                    () = tokio::time::sleep(idle), if !busy => inbox.close(),
                }
            }
            while let Some(result) = open.next().await {
                result?;
            }
            poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            wasmtime::Result::Ok(())
        })
        .await?
}
