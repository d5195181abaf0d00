//! A response body that runs the guest it comes from: whoever reads the body makes the guest go on, in the same task. A guest is never
//! left to a reader that may stop: what is still going when the body ends, is dropped, or grows large, gets a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::exit::Exit;

pub type Guest = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// Hyper buffers more than this of a response (about 400 KB) before it waits for its client, so up to here a body is read whatever
/// the client does, and the guest's deadline is kept.
const DRIVEN_BYTES: usize = 64 * 1024;

pub struct DrivenBody {
    body: WasiBody,
    guest: Option<Guest>,
    sent: usize,
}

impl DrivenBody {
    pub fn new(body: WasiBody, guest: Guest) -> Self {
        Self { body, guest: Some(guest), sent: 0 }
    }

    fn detach(&mut self) {
        if let Some(guest) = self.guest.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(guest);
        }
    }
}

impl Drop for DrivenBody {
    fn drop(&mut self) {
        self.detach();
    }
}

impl Body for DrivenBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.guest.as_mut().is_some_and(|guest| guest.as_mut().poll(context).is_ready()) {
            this.guest = None;
        }
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.sent += frame.data_ref().map_or(0, Bytes::len);
                if this.sent > DRIVEN_BYTES {
                    this.detach();
                }
            }
            Poll::Ready(_) => this.detach(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.guest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
