//! Guest output to log files: lines are cut in the guest's task and written by one thread, off every request's path.
//! The queue is bounded; a guest that floods it loses lines, and the file says how many.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Lines waiting for the writer, over all workloads.
const QUEUE_LINES: usize = 4096;
/// Longest line kept whole (the CRI's convention); a longer one is cut into parts marked `P`.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// Files the writer keeps open.
const MAX_OPEN_FILES: usize = 64;

#[derive(Clone, Debug)]
pub struct LogTarget {
    /// Parent directories exist; the file is created at the first line.
    pub path: PathBuf,
    /// The file is renamed to `<path>.1` before it would pass this size.
    pub max_bytes: u64,
}

struct Line {
    log: Arc<WorkloadLog>,
    record: Vec<u8>,
}

/// What a line costs at least of its workload's allowance: an empty one takes a place in the queue too.
const LINE_COST: u64 = 64;

/// One workload's log; instances share it.
pub struct WorkloadLog {
    target: LogTarget,
    dropped: AtomicU64,
    /// Lines lost to the workload's own limit, since it was opened.
    limited: AtomicU64,
    allowance: Allowance,
    queue: SyncSender<Line>,
}

/// Bytes a second, with a second's worth in advance (generic cell rate, as for the CPU).
struct Allowance {
    nanos_per_byte: f64,
    start: Instant,
    due: AtomicU64,
}

impl Allowance {
    fn new(bytes_per_second: u64) -> Self {
        Self { nanos_per_byte: 1e9 / bytes_per_second.max(1) as f64, start: Instant::now(), due: AtomicU64::new(0) }
    }

    fn take(&self, bytes: u64) -> bool {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX / 2);
        let cost = (bytes as f64 * self.nanos_per_byte) as u64;
        let taken = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let after = due.max(now).saturating_add(cost);
            // A line longer than a second's worth passes when nothing is owed.
            (after - now <= 1_000_000_000 || due <= now).then_some(after)
        });
        taken.is_ok()
    }
}

impl WorkloadLog {
    /// Lines that were lost because the workload wrote more than it may.
    pub fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// One line, as the host says it; in parts when it is long.
    pub fn line(self: &Arc<Self>, stream: &'static str, text: &str) {
        let mut rest = text.as_bytes();
        while let Some((part, after)) = rest.split_at_checked(MAX_LINE_BYTES) {
            self.emit(stream, b'P', part);
            rest = after;
        }
        self.emit(stream, b'F', rest);
    }

    fn emit(self: &Arc<Self>, stream: &'static str, tag: u8, text: &[u8]) {
        if !self.allowance.take((text.len() as u64).max(LINE_COST)) {
            self.limited.fetch_add(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let now = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
        let mut record = Vec::with_capacity(now.len() + stream.len() + text.len() + 5);
        record.extend_from_slice(now.as_bytes());
        record.push(b' ');
        record.extend_from_slice(stream.as_bytes());
        record.extend_from_slice(&[b' ', tag, b' ']);
        record.extend_from_slice(text);
        record.push(b'\n');
        if self.queue.try_send(Line { log: self.clone(), record }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Owner of the writer thread, which ends when the last log is dropped.
pub struct LogWriter {
    queue: SyncSender<Line>,
}

impl LogWriter {
    pub fn start() -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES);
        std::thread::Builder::new().name("copepod-logs".into()).spawn(move || write_lines(&lines))?;
        Ok(Self { queue })
    }

    pub fn open(&self, target: LogTarget, bytes_per_second: u64) -> Arc<WorkloadLog> {
        let allowance = Allowance::new(bytes_per_second);
        Arc::new(WorkloadLog { target, dropped: AtomicU64::new(0), limited: AtomicU64::new(0), allowance, queue: self.queue.clone() })
    }
}

fn write_lines(lines: &Receiver<Line>) {
    let mut open: HashMap<PathBuf, (File, u64)> = HashMap::new();
    while let Ok(line) = lines.recv() {
        // A full or read-only disk must not end the workload: the line is lost and counted.
        if append(&mut open, &line).is_err() {
            open.remove(&line.log.target.path);
            line.log.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn append(open: &mut HashMap<PathBuf, (File, u64)>, line: &Line) -> std::io::Result<()> {
    let target = &line.log.target;
    let mut record = line.record.clone();
    let dropped = line.log.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let now = humantime::format_rfc3339_nanos(SystemTime::now());
        record.extend_from_slice(format!("{now} stderr F copepod: {dropped} log lines were dropped\n").as_bytes());
    }
    if !open.contains_key(&target.path) {
        if open.len() >= MAX_OPEN_FILES {
            open.clear();
        }
        let file = OpenOptions::new().create(true).append(true).open(&target.path)?;
        let size = file.metadata()?.len();
        open.insert(target.path.clone(), (file, size));
    }
    let rotate = open.get(&target.path).is_some_and(|(_, size)| *size > 0 && *size + record.len() as u64 > target.max_bytes);
    if rotate {
        let mut previous = target.path.clone().into_os_string();
        previous.push(".1");
        std::fs::rename(&target.path, previous)?;
        let file = OpenOptions::new().create(true).append(true).open(&target.path)?;
        open.insert(target.path.clone(), (file, 0));
    }
    if let Some((file, size)) = open.get_mut(&target.path) {
        file.write_all(&record)?;
        *size += record.len() as u64;
    }
    Ok(())
}

/// One of an instance's two output streams.
#[derive(Clone)]
pub struct LogStream {
    pub log: Arc<WorkloadLog>,
    pub name: &'static str,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineBuffer { stream: self.clone(), partial: Vec::new() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineBuffer { stream: self.clone(), partial: Vec::new() })
    }
}

/// Cuts what a guest writes into lines; what is left when the stream is dropped becomes the last one.
struct LineBuffer {
    stream: LogStream,
    partial: Vec<u8>,
}

impl LineBuffer {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..end]);
            self.emit(b'F');
            bytes = &bytes[end + 1..];
        }
        self.partial.extend_from_slice(bytes);
        while self.partial.len() >= MAX_LINE_BYTES {
            let rest = self.partial.split_off(MAX_LINE_BYTES);
            self.emit(b'P');
            self.partial = rest;
        }
    }

    fn emit(&mut self, tag: u8) {
        self.stream.log.emit(self.stream.name, tag, &self.partial);
        self.partial.clear();
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.emit(b'F');
        }
    }
}

impl OutputStream for LineBuffer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineBuffer {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LineBuffer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
