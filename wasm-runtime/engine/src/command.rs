//! A command: one instance on a task of its own, run to its exit or stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::component::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::WorkloadSpec;
use crate::cluster::Cluster;
use crate::engine::new_store;
use crate::error::{EngineError, ErrorCode};
use crate::exit::Exit;
use crate::host::Host;
use crate::logs::WorkloadLog;

pub struct Command {
    exit: watch::Receiver<Option<Exit>>,
    kill: watch::Sender<bool>,
}

impl Command {
    pub(crate) fn start(instance: InstancePre<Host>, spec: WorkloadSpec, log: &Arc<WorkloadLog>, cluster: &Arc<Cluster>) -> Result<Arc<Self>, EngineError> {
        let permit = cluster.try_instance()?;
        let pre = CommandPre::new(instance.clone())
            .map_err(|error| EngineError::new(ErrorCode::NoEntryPoint, format!("not a command: {error:#}")))?;
        let (kill, mut killed) = watch::channel(false);
        let (ended, exit) = watch::channel(None);
        let (log, cluster) = (log.clone(), cluster.clone());
        tokio::spawn(async move {
            let mut store = new_store(&instance, &spec, &log, &cluster, 0);
            let outcome = {
                let run = async {
                    let command = pre.instantiate_async(&mut store).await?;
                    command.wasi_cli_run().call_run(&mut store).await
                };
                tokio::select! {
                    outcome = run => Some(outcome),
                    _ = killed.wait_for(|killed| *killed) => None,
                }
            };
            let exit = match outcome {
                None => Exit::stopped(),
                Some(Ok(Ok(()))) => Exit::completed(),
                Some(Ok(Err(()))) => Exit::guest(1, "the guest returned an error"),
                Some(Err(error)) => Exit::from_error(&error, store.data()),
            };
            // The store goes first: what the guest left unflushed is in the log before its exit is known.
            drop(store);
            drop(permit);
            let _ = ended.send(Some(exit));
        });
        Ok(Arc::new(Self { exit, kill }))
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
            let _ = self.kill.send(true);
            self.exited().await;
        }
    }
}
