//! The threads of the engine. Data path: one single-threaded runtime for each core, so that a connection and the guests it asks never change threads or
//! wake another one. Background: commands, and guests that turned out to be busy, at a lower priority, so that the operating system lets
//! what serves go first. One set for each process.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::nice;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;

/// Added to the niceness of background threads: of a core that both want, what serves gets 28 parts of 29.
const BACKGROUND_NICE: i32 = 15;

type Serve = Box<dyn FnOnce(TcpStream) + Send>;

struct Worker {
    inbox: mpsc::UnboundedSender<(std::net::TcpStream, Serve)>,
    connections: AtomicUsize,
}

pub struct Workers {
    data: Vec<Worker>,
    background: Runtime,
}

static WORKERS: OnceLock<Workers> = OnceLock::new();

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Counts a connection against its worker while it lives.
pub struct Placed(&'static AtomicUsize);

impl Drop for Placed {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    fn get() -> &'static Self {
        WORKERS.get_or_init(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let background = Builder::new_multi_thread()
                .worker_threads(cores)
                .thread_name("copepod-guests")
                .on_thread_start(|| {
                    // Without it guests still run, only less kindly.
                    let _ = nice(BACKGROUND_NICE);
                })
                .enable_all()
                .build();
            let background = background.unwrap_or_else(|error| panic!("no threads to be had: {error}"));
            Self { data: (0..cores).map(Worker::start).collect(), background }
        })
    }

    /// Which thread of the data path this is, if it is one.
    pub fn current() -> Option<usize> {
        NUMBER.get()
    }

    /// Where what takes long runs.
    pub fn background() -> &'static Handle {
        Self::get().background.handle()
    }

    /// Gives a connection to the data path's thread with the fewest; `serve` is called there, inside its runtime.
    pub fn place(stream: TcpStream, serve: impl FnOnce(TcpStream, Placed) + Send + 'static) -> std::io::Result<()> {
        let workers = &Self::get().data;
        let Some(worker) = workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) else { return Ok(()) };
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let placed = Placed(&worker.connections);
        let stream = stream.into_std()?;
        let _ = worker.inbox.send((stream, Box::new(move |stream| serve(stream, placed))));
        Ok(())
    }
}

impl Worker {
    fn start(number: usize) -> Self {
        let (inbox, mut arrivals) = mpsc::unbounded_channel::<(std::net::TcpStream, Serve)>();
        let body = move || {
            NUMBER.set(Some(number));
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|error| panic!("no runtime to be had: {error}"));
            runtime.block_on(async move {
                while let Some((stream, serve)) = arrivals.recv().await {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        serve(stream);
                    }
                }
            });
        };
        let started = std::thread::Builder::new().name(format!("copepod-data-{number}")).spawn(body);
        started.unwrap_or_else(|error| panic!("no thread to be had: {error}"));
        Self { inbox, connections: AtomicUsize::new(0) }
    }
}
