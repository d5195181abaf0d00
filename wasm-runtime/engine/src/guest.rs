//! A guest at work, as a future that is polled by whoever waits for it: it is metered, held to its workload's share of the CPU, ended at its
//! deadline or when its workload is stopped, and moved off the data path's threads once it proves to be busy.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::cpu::{Stretch, TICK};
use crate::limits::Limit;
use crate::workers::Workers;
use crate::workload::Workload;

/// A guest with everything around it.
pub type Guest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// CPU time after which a guest is taken for busy: a JavaScript engine needs a few milliseconds to answer anything.
const BUSY_AFTER: u64 = 8_000_000;

thread_local! {
    /// Whether the guest polled last on this thread has run for long and would go on.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Asked right after polling a guest: whether it would go on for longer, and hold up whoever polls it.
pub fn was_busy() -> bool {
    BUSY.replace(false)
}

/// Runs a guest to its end in a task of its own: here as long as it only waits, on the background threads once it is busy.
pub fn spawn(mut guest: Guest) {
    tokio::spawn(async move {
        let busy = poll_fn(|context| match guest.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if was_busy() => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if busy {
            spawn_busy(guest);
        }
    });
}

pub fn spawn_busy(guest: Guest) {
    Workers::background().spawn(guest);
}

/// Ends guests when their workload does. `stop` is heard by those that wait and by those that look later.
#[derive(Default)]
pub struct Stop {
    stopped: AtomicBool,
    notify: Notify,
}

impl Stop {
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub async fn stopped(self: Arc<Self>) {
        // Made before the flag is looked at, so that a stop in between is heard.
        let notified = self.notify.notified();
        if !self.stopped.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

/// How a bounded call ended.
pub enum Ended<T> {
    Returned(T),
    Late,
    Stopped,
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call into a guest. Timers and listeners are made when the call first has to wait: most guests never do.
pub struct Bounded<F> {
    call: Pin<Box<F>>,
    workload: Arc<Workload>,
    deadline: Option<Instant>,
    stop: Arc<Stop>,
    /// Nanoseconds it has run.
    spent: u64,
    late: Option<Pin<Box<Sleep>>>,
    stopped: Option<Waiting>,
    /// Until then its workload has used up its share.
    paused: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Bounded<F> {
    pub fn new(call: F, workload: Arc<Workload>, deadline: Option<Instant>, stop: Arc<Stop>) -> Self {
        Self { call: Box::pin(call), workload, deadline, stop, spent: 0, late: None, stopped: None, paused: None }
    }
}

impl<F: Future> Future for Bounded<F> {
    type Output = Ended<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(paused) = &mut this.paused {
            if paused.as_mut().poll(context).is_pending() {
                return this.poll_bounds(context);
            }
            this.paused = None;
        }
        let stretch = Stretch::begin(&this.workload.shared.clock);
        let polled = this.call.as_mut().poll(context);
        let nanos = stretch.end();
        this.workload.metrics.ran(nanos);
        let wait = this.workload.cpu.charge(nanos);
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ended::Returned(output));
        }
        this.spent += nanos;
        BUSY.set(this.spent >= BUSY_AFTER && nanos >= TICK.as_nanos() as u64 / 2);
        if let Some(wait) = wait {
            this.workload.metrics.hit(Limit::Cpu);
            let mut sleep = Box::pin(tokio::time::sleep(wait));
            // Polled once, so that it wakes this task.
            if sleep.as_mut().poll(context).is_pending() {
                this.paused = Some(sleep);
            }
        }
        this.poll_bounds(context)
    }
}

impl<F: Future> Bounded<F> {
    fn poll_bounds(&mut self, context: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        if let Some(deadline) = self.deadline {
            let late = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
            if late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ended::Late);
            }
        }
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(self.stop.clone().stopped()));
        if stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Stopped);
        }
        Poll::Pending
    }
}
