//! `wasi:keyvalue`: buckets by name, each a directory of the node. Both drafts that are in use are offered: 0.2.0-draft (store, atomics, batch) and
//! 0.2.0-draft2 (with compare-and-swap).

mod draft1;
mod draft2;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::Grants;
use crate::error::{EngineError, ErrorCode};
use crate::host::Host;

pub use store::{Failure, Store, Stores};

#[derive(Clone, Debug)]
pub struct Bucket {
    /// The guest's word for it; `default` is what most ask for.
    pub name: String,
    pub path: PathBuf,
    pub max_bytes: u64,
    /// How long an entry lives; none: until it is deleted.
    pub ttl: Option<Duration>,
}

/// The buckets of a workload, open.
#[derive(Default)]
pub struct Buckets(Vec<(String, Open)>);

/// A bucket a guest holds.
#[derive(Clone)]
pub struct Open {
    store: Arc<Store>,
    ttl: Option<Duration>,
}

/// A value a guest saw, to be swapped for another.
pub struct Seen {
    bucket: Open,
    key: String,
    value: Option<Vec<u8>>,
}

impl Buckets {
    /// Errors: BadGrant, Io.
    pub fn configure(grants: &Grants, stores: &Stores) -> Result<Self, EngineError> {
        let mut buckets = Self::default();
        for bucket in &grants.buckets {
            if bucket.name.is_empty() || buckets.0.iter().any(|(name, _)| *name == bucket.name) {
                return Err(EngineError::new(ErrorCode::BadGrant, format!("key-value bucket '{}' has no name, or one that is taken", bucket.name)));
            }
            buckets.0.push((bucket.name.clone(), Open { store: stores.open(&bucket.path, bucket.max_bytes)?, ttl: bucket.ttl }));
        }
        Ok(buckets)
    }

    fn find(&self, name: &str) -> Option<Open> {
        // Guests that were made for a single store open it without a name.
        let name = if name.is_empty() { "default" } else { name };
        self.0.iter().find(|(known, _)| known == name).map(|(_, open)| open.clone())
    }
}

struct Access;

impl HasData for Access {
    type Data<'a> = Keyvalue<'a>;
}

/// What the functions of either draft work on.
pub struct Keyvalue<'a> {
    buckets: &'a Buckets,
    table: &'a mut ResourceTable,
}

impl Keyvalue<'_> {
    fn open(&mut self, name: &str) -> wasmtime::Result<Option<Resource<Open>>> {
        let found = self.buckets.find(name);
        Ok(found.map(|open| self.table.push(open)).transpose()?)
    }

    fn bucket(&self, bucket: &Resource<Open>) -> wasmtime::Result<Open> {
        Ok(self.table.get(bucket)?.clone())
    }
}

/// A write waits for the disk, which the thread of the data path must not.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::Refused(error.to_string())))
}

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    fn access(host: &mut Host) -> Keyvalue<'_> {
        let (workload, table) = host.workload_and_table();
        Keyvalue { buckets: &workload.capabilities.keyvalue, table }
    }
    draft1::link(linker, access)?;
    draft2::link(linker, access)
}
