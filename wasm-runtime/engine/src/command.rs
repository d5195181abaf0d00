//! A command: one instance on the background threads, run to its exit or stopped.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::Component;
use crate::error::EngineError;
use crate::exit::{Exit, ExitReason};
use crate::guest::{Bounded, Ended, Stop};
use crate::host::{RequestContext, new_store};
use crate::metrics::Stats;
use crate::workers::Workers;
use crate::workload::Workload;

pub struct Command {
    workload: Arc<Workload>,
    exit: watch::Receiver<Option<Exit>>,
    stop: Arc<Stop>,
    running: Arc<AtomicUsize>,
}

impl Command {
    /// Errors: Overloaded.
    pub(crate) fn start(component: Component, workload: Arc<Workload>) -> Result<Arc<Self>, EngineError> {
        let slot = component.room.try_take(component.weight)?;
        let (ended, exit) = watch::channel(None);
        let stop: Arc<Stop> = Arc::default();
        let running = Arc::new(AtomicUsize::new(1));
        let command = Arc::new(Self { workload: workload.clone(), exit, stop: stop.clone(), running: running.clone() });
        workload.metrics.started();
        Workers::background().spawn(async move {
            let mut store = new_store(component.image.engine(), &workload, RequestContext::default());
            let outcome = {
                let entry = component.image.entry();
                let call = pin!(entry.run(&mut store));
                Bounded::new(call, workload.clone(), None, stop).await
            };
            let exit = match outcome {
                Ended::Returned(Ok(Ok(()))) => Exit::completed(),
                Ended::Returned(Ok(Err(()))) => Exit::guest(1, "the guest returned an error"),
                Ended::Returned(Err(error)) => Exit::from_error(&error, store.data()),
                Ended::Late | Ended::Stopped => Exit::stopped(),
            };
            workload.metrics.memory(store.data().limiter.used_bytes());
            // The store goes first: what the guest left unflushed is in the log before its exit is known.
            drop(store);
            drop(slot);
            running.store(0, Ordering::Relaxed);
            if exit.reason != ExitReason::Completed && exit.reason != ExitReason::Stopped {
                workload.metrics.failed(exit.reason);
            }
            let _ = ended.send(Some(exit));
        });
        Ok(command)
    }

    pub fn stats(&self) -> Stats {
        self.workload.stats(self.running.load(Ordering::Relaxed))
    }

    /// How it ended; waits until it has.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_else(Exit::stopped),
            Err(_) => Exit::stopped(),
        }
    }

    /// Ends it after `grace` if it has not ended by itself. WASI has no signal a guest could hear, so nothing is sent first.
    pub async fn stop(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.exited()).await.is_err() {
            self.stop.stop();
            self.exited().await;
        }
    }
}
