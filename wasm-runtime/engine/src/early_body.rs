//! The part of a response that is there at once. Small guests are run to their end in their client's task, because on most machines waking
//! another thread costs more than their whole work. A guest never depends on who reads its body: one that has to wait gets a task of its own.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::body::Allowance;
use crate::guest::{Guest, spawn, spawn_busy, was_busy};

/// No more than this is held for a client that may not read it.
const EARLY_BYTES: usize = 64 * 1024;

/// Runs the guest for as long as it has something to do or to send, and for so many turns of other tasks more. Returns what it sent, and the rest that is still to come.
pub async fn run_early(guest: Option<Guest>, body: WasiBody, mut allowance: Allowance, turns: u32) -> WasiBody {
    let mut turns = turns;
    let mut frames = VecDeque::new();
    let mut held = 0;
    let mut busy = false;
    let mut guest = guest;
    let mut rest = Some(body);
    poll_fn(|context| {
        loop {
            if let Some(running) = &mut guest {
                if running.as_mut().poll(context).is_ready() {
                    guest = None;
                } else {
                    busy = was_busy();
                }
            }
            let before = (held, rest.is_some());
            while let Some(body) = &mut rest
                && held <= EARLY_BYTES
            {
                let Poll::Ready(frame) = allowance.poll(body, context) else { break };
                // A guest may wait for its body to be taken: it is let go at once, and the guest asked again.
                if !matches!(frame, Some(Ok(_))) {
                    rest = None;
                }
                if let Some(frame) = frame {
                    held += 1 + frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    frames.push_back(frame);
                }
            }
            if rest.is_none() && guest.is_none() || held > EARLY_BYTES || busy {
                return Poll::Ready(());
            }
            if guest.is_none() || (held, rest.is_some()) == before {
                let Some(left) = turns.checked_sub(1) else { return Poll::Ready(()) };
                turns = left;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    })
    .await;
    match guest {
        Some(guest) if busy => spawn_busy(guest),
        Some(guest) => spawn(guest),
        None => {}
    }
    EarlyBody { frames, rest: rest.map(|body| (body, allowance)) }.boxed_unsync()
}

struct EarlyBody {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    rest: Option<(WasiBody, Allowance)>,
}

impl Body for EarlyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            if frame.is_err() {
                self.rest = None;
            }
            return Poll::Ready(Some(frame));
        }
        let Some((rest, allowance)) = &mut self.rest else { return Poll::Ready(None) };
        allowance.poll(rest, context)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(|(rest, _)| rest.is_end_stream())
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
