//! The part of a response that is there at once. Small guests are run to their end in their client's task, because on most machines waking
//! another thread costs more than their whole work. A guest never depends on who reads its body: one that has to wait gets a task of its own.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::exit::Exit;

pub type Guest = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// No more than this is held for a client that may not read it.
const EARLY_BYTES: usize = 64 * 1024;

/// Runs the guest for as long as it has something to do or to send. Returns what it sent, and the rest that is still to come.
pub async fn run_early(mut guest: Guest, mut body: WasiBody) -> WasiBody {
    let mut frames = VecDeque::new();
    let mut held = 0;
    let ended = poll_fn(|context| {
        loop {
            let exited = guest.as_mut().poll(context).is_ready();
            let before = held;
            while held <= EARLY_BYTES {
                match Pin::new(&mut body).poll_frame(context) {
                    Poll::Ready(Some(frame)) => {
                        held += 1 + frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                        frames.push_back(frame);
                    }
                    Poll::Ready(None) => return Poll::Ready((exited, true)),
                    Poll::Pending => break,
                }
            }
            if exited || held == before || held > EARLY_BYTES {
                return Poll::Ready((exited, false));
            }
        }
    })
    .await;
    let (exited, complete) = ended;
    if !exited {
        tokio::spawn(guest);
    }
    EarlyBody { frames, rest: (!complete).then_some(body) }.boxed_unsync()
}

struct EarlyBody {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    rest: Option<WasiBody>,
}

impl Body for EarlyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        self.rest.as_mut().map_or(Poll::Ready(None), |rest| Pin::new(rest).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let whole = self.rest.is_none() && self.frames.iter().all(|frame| frame.as_ref().is_ok_and(Frame::is_data));
        if !whole {
            return SizeHint::default();
        }
        let length: usize = self.frames.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref().map(Bytes::len)).sum();
        SizeHint::with_exact(length as u64)
    }
}
