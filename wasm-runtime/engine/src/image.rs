//! A compiled component in memory: mapped from its file, linked, and mapped anew when the pool should give back what a burst has left in it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use wasmtime::Engine;
use wasmtime::component::Component as Compiled;

use crate::cpu::Moment;
use crate::engine::Lane;
use crate::entry::Entry;
use crate::error::{EngineError, ErrorCode};
use crate::inspect::WorkloadKind;

/// Bytes of unused slots that are let be when no guest has run for a while.
const QUIET_BYTES: usize = 8 << 20;
/// The part of memory that unused slots may hold while guests run.
const BUSY_PART: u64 = 32;

/// Maps a compiled file that has been verified.
pub fn map(lane: &Lane, file: &File) -> wasmtime::Result<Compiled> {
    // SAFETY: what is mapped becomes machine code. It was signed, over all its bytes, by a key this node trusts with that, and it is
    // the very file that was verified: opened once, and named by its descriptor.
    unsafe { Compiled::deserialize_file(&lane.wasmtime, format!("/proc/self/fd/{}", file.as_raw_fd())) }
}

pub struct Image {
    lane: Arc<Lane>,
    file: File,
    kind: WorkloadKind,
    entry: ArcSwap<Entry>,
    /// Since it was mapped.
    used: AtomicBool,
}

impl Image {
    /// Errors: UnsupportedImport, NoEntryPoint.
    pub fn new(lane: Arc<Lane>, file: File, kind: WorkloadKind, compiled: &Compiled) -> Result<Self, EngineError> {
        let entry = link(&lane, kind, compiled)?;
        Ok(Self { lane, file, kind, entry: ArcSwap::from_pointee(entry), used: AtomicBool::new(false) })
    }

    /// For one instance.
    pub fn entry(&self) -> Arc<Entry> {
        // Read first: it changes once a burst, and a plain load does not take the line from other cores.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.entry.load_full()
    }

    pub fn engine(&self) -> &Engine {
        &self.lane.wasmtime
    }

    /// wasmtime empties the slots of a module when the last one who holds it lets go; a new mapping of the same file is another module.
    fn renew(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        let renewed = map(&self.lane, &self.file).ok().and_then(|compiled| link(&self.lane, self.kind, &compiled).ok());
        if let Some(entry) = renewed {
            self.entry.store(Arc::new(entry));
        }
    }
}

fn link(lane: &Lane, kind: WorkloadKind, compiled: &Compiled) -> Result<Entry, EngineError> {
    let pre = lane.linker.instantiate_pre(compiled).map_err(|error| EngineError::new(ErrorCode::UnsupportedImport, format!("cannot link: {error:#}")))?;
    Entry::of(kind, &pre)
}

/// Gives back memory that the pool keeps for guests which do not come any more.
pub struct Upkeep {
    images: Mutex<Vec<Weak<Image>>>,
    busy_bytes: usize,
    under_way: AtomicBool,
}

impl Upkeep {
    /// `memory_bytes`: what this process may use.
    pub fn new(memory_bytes: u64) -> Self {
        let busy_bytes = usize::try_from(memory_bytes / BUSY_PART).unwrap_or(usize::MAX);
        Self { images: Mutex::default(), busy_bytes, under_way: AtomicBool::new(false) }
    }

    pub fn watch(&self, image: &Arc<Image>) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.retain(|image| image.strong_count() > 0);
        images.push(Arc::downgrade(image));
    }

    /// Called by the epoch clock, which must not be held up: what there is to do is done on a thread of its own.
    pub fn shrink(self: Arc<Self>, lanes: &[Weak<Lane>; 2], moment: Moment) {
        let most = match moment {
            Moment::Quiet => QUIET_BYTES,
            Moment::Busy => self.busy_bytes,
        };
        let unused = |lane: Arc<Lane>| lane.wasmtime.pooling_allocator_metrics().map_or(0, |metrics| metrics.unused_memory_bytes_resident());
        let held: usize = lanes.iter().filter_map(Weak::upgrade).map(unused).sum();
        if held <= most || self.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let keeper = self.clone();
        let started = std::thread::Builder::new().name("copepod-upkeep".into()).spawn(move || {
            let images: Vec<Arc<Image>> = keeper.images.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
            for image in images {
                image.renew();
            }
            keeper.under_way.store(false, Ordering::Release);
        });
        if started.is_err() {
            self.under_way.store(false, Ordering::Release);
        }
    }
}
