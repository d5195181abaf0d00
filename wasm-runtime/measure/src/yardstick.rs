//! hyper alone: the bytes of `examples/hello-tiny`, chunked, and the headers Copepod sends, from one single-threaded runtime for each core. What a guest,
//! its instance, routing and counting cost is what a Copepod answers more slowly than this.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Failure;

/// A body of unknown length, so that it is chunked as a guest's is.
struct Once(Option<Bytes>);

impl Iterator for Once {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|bytes| Ok(Frame::data(bytes)))
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<StreamBody<futures_util::stream::Iter<Once>>>, Infallible> {
    let body = StreamBody::new(futures_util::stream::iter(Once(Some(Bytes::from_static(b"hello from copepod\n")))));
    let mut response = Response::new(body);
    response.headers_mut().insert("x-request-id", hyper::header::HeaderValue::from_static("0123456789abcdef"));
    Ok(response)
}

/// Answers until it is killed.
pub fn run(port: u16) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<UnboundedSender<std::net::TcpStream>> = (0..cores)
        .map(|_| {
            let (sender, arrivals) = unbounded_channel();
            std::thread::spawn(move || serve(arrivals));
            sender
        })
        .collect();
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        for turn in 0.. {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            workers[turn % cores].send(connection.into_std()?)?;
        }
        Ok(())
    })
}

fn serve(mut arrivals: UnboundedReceiver<std::net::TcpStream>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("copepod-measure: no runtime to be had: {error}"),
    };
    runtime.block_on(async {
        while let Some(connection) = arrivals.recv().await {
            let Ok(connection) = TcpStream::from_std(connection) else { continue };
            tokio::spawn(async {
                let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service_fn(answer)).await;
            });
        }
    });
}
