//! Room in a pool of instances. A component of several memories takes several places, so that none is started that the pool cannot hold.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{EngineError, ErrorCode};

/// Held for as long as an instance lives.
pub type Slot = OwnedSemaphorePermit;

pub struct Room {
    places: Arc<Semaphore>,
    size: u32,
}

impl Room {
    pub fn new(size: u32) -> Self {
        Self { places: Arc::new(Semaphore::new(size as usize)), size }
    }

    fn full(&self) -> EngineError {
        EngineError::new(ErrorCode::Overloaded, format!("all {} places for instances on this node are taken", self.size))
    }

    /// Errors: Overloaded, when none came free in time.
    pub async fn take(&self, weight: u32, deadline: Instant) -> Result<Slot, EngineError> {
        match self.try_take(weight) {
            Ok(slot) => Ok(slot),
            Err(full) => {
                let waiting = self.places.clone().acquire_many_owned(weight);
                tokio::time::timeout_at(deadline.into(), waiting).await.map_err(|_| full)?.map_err(|_| self.full())
            }
        }
    }

    /// Errors: Overloaded.
    pub fn try_take(&self, weight: u32) -> Result<Slot, EngineError> {
        self.places.clone().try_acquire_many_owned(weight).map_err(|_| self.full())
    }

    pub fn size(&self) -> u32 {
        self.size
    }
}
