//! Bodies under a limit: bytes are counted as they pass, too many end the body with an error, and a sender that falls silent is given up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::limits::Limit;
use crate::workload::Workload;

/// A client that sends nothing for this long has gone, or wants to hold an instance.
const SILENCE: Duration = Duration::from_secs(30);

/// A request's body on its way to a guest.
struct Received<B> {
    body: B,
    left: u64,
    workload: Arc<Workload>,
    silence: Option<Pin<Box<Sleep>>>,
}

/// Counts and bounds what a workload receives. A body that is empty is passed as it is.
pub fn receive<B>(body: B, workload: &Arc<Workload>) -> WasiBody
where
    B: Body<Data = Bytes, Error = Error> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return body.boxed_unsync();
    }
    Received { body, left: workload.spec.limits.request_body_bytes, workload: workload.clone(), silence: None }.boxed_unsync()
}

/// What comes from a socket, with errors in WASI's words.
pub fn incoming(body: Incoming) -> WasiBody {
    body.map_err(Error::from).boxed_unsync()
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Received<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let silence = this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE)));
            return silence.as_mut().poll(context).map(|()| Some(Err(Error::ConnectionReadTimeout)));
        };
        this.silence = None;
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            this.workload.metrics.received(data.len());
            let Some(left) = this.left.checked_sub(data.len() as u64) else {
                this.workload.metrics.hit(Limit::RequestBody);
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(this.workload.spec.limits.request_body_bytes)))));
            };
            this.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the guest that sends a body came to a bad end before it was over. wasmtime ends the body of such a guest as if it were whole.
#[derive(Default)]
pub struct Fate {
    bad: AtomicBool,
    /// Nobody reads the body any more, and it was not over.
    abandoned: AtomicBool,
    reader: AtomicWaker,
}

impl Fate {
    /// Said before the guest's store goes, and with it the body's source.
    pub fn spoil(&self) {
        self.bad.store(true, Ordering::Release);
        self.reader.wake();
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    fn is_bad(&self) -> bool {
        self.bad.load(Ordering::Acquire)
    }
}

/// What is left of a response's limit, over the part that is held and the part that streams; and whether its end is a good one.
pub struct Allowance {
    left: u64,
    workload: Arc<Workload>,
    fate: Arc<Fate>,
    over: bool,
}

impl Drop for Allowance {
    fn drop(&mut self) {
        if !self.over {
            self.fate.abandoned.store(true, Ordering::Release);
        }
    }
}

impl Allowance {
    pub fn new(workload: Arc<Workload>, fate: Arc<Fate>) -> Self {
        Self { left: workload.spec.limits.response_body_bytes, workload, fate, over: false }
    }

    /// The next frame, unless it is one too many; an error where a body ends that is not whole.
    pub fn poll(&mut self, body: &mut WasiBody, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = self.poll_whole(body, context);
        self.over |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn poll_whole(&mut self, body: &mut WasiBody, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let broken = || Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(frame)) => Poll::Ready(Some(self.pass(frame))),
            Poll::Ready(None) if self.fate.is_bad() => broken(),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                self.fate.reader.register(context.waker());
                if self.fate.is_bad() { broken() } else { Poll::Pending }
            }
        }
    }

    fn pass(&mut self, frame: Result<Frame<Bytes>, Error>) -> Result<Frame<Bytes>, Error> {
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            self.workload.metrics.sent(data.len());
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                self.workload.metrics.hit(Limit::ResponseBody);
                return Err(Error::HttpResponseBodySize(Some(self.workload.spec.limits.response_body_bytes)));
            };
            self.left = left;
        }
        Ok(frame)
    }
}
