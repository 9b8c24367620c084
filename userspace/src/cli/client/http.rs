//! One request on one connection, for callers that block.
//!
//! A thread with a runtime of its own speaks HTTP and hands on what comes, chunk by chunk; it ends with the body, or when
//! nobody reads any more.

use std::{
    error::Error as _,
    io::{self, Read},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{AUTHORIZATION, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::place::{Place, denied};
use crate::web::api;

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What [`PATIENCE`] is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Patience {
    /// Everything.
    Whole,
    /// Everything before the body.
    Head,
}

/// Chunks that may wait for the reader; then the daemon has to.
const CHUNKS: usize = 16;

/// The longest failure that is read, bytes.
const LONGEST_FAILURE: usize = 64 << 10;

/// The port of HTTP.
const PORT: u16 = 80;

/// An answer that says success.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    /// Its headers.
    pub(in crate::cli) headers: HeaderMap,
    /// What it says.
    pub(in crate::cli) body: Body,
}

/// The daemon answered, but not with success.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(in crate::cli) struct Refused {
    /// HTTP's status code.
    pub(in crate::cli) status: u16,
    /// The daemon's words, or its status where it has none.
    pub(in crate::cli) said: String,
}

/// A body: a read returns as soon as there is something, and fails if the connection breaks before the end. Not to be
/// read inside a runtime.
#[derive(Debug)]
pub(in crate::cli) struct Body {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// Sends a request and waits for what comes before the body.
pub(super) fn ask(
    place: Place,
    method: Method,
    path: &str,
    bearer: Option<HeaderValue>,
    patience: Patience,
) -> anyhow::Result<Answer> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    let target = format!("{}{path}", place.prefix());
    *request.uri_mut() = target.parse().with_context(|| format!("asking for {target}"))?;
    let host = HeaderValue::from_str(place.host()).context("naming the host")?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().extend(bearer.map(|bearer| (AUTHORIZATION, bearer)));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting the runtime")?;
    let (head, heard) = oneshot::channel();
    let work = move || {
        runtime.block_on(exchange(&place, request, head, patience));
        // Not held up by a name that is still being looked up.
        runtime.shutdown_background();
    };
    thread::Builder::new().name("http".to_owned()).spawn(work).context("starting a thread")?;
    heard.blocking_recv().context("the thread that asks the daemon ended")?
}

/// The exchange, from connecting to the last chunk.
async fn exchange(
    place: &Place,
    request: Request<Empty<Bytes>>,
    head: oneshot::Sender<anyhow::Result<Answer>>,
    patience: Patience,
) {
    let deadline = Instant::now() + PATIENCE;
    let late = || anyhow!("no answer within {} s", PATIENCE.as_secs());
    let answered = timeout_at(deadline, send(place, request)).await;
    let asking = || format!("asking {place} (is `wireledger run` up there? --connect says where)");
    let mut body = match answered.unwrap_or_else(|_| Err(late())).with_context(asking) {
        Ok(response) if response.status().is_success() => {
            let (parts, incoming) = response.into_parts();
            let (chunk, chunks) = mpsc::channel(CHUNKS);
            let body = Body { chunks, chunk: Bytes::new() };
            if head.send(Ok(Answer { headers: parts.headers, body })).is_err() {
                return;
            }
            Pump { incoming, chunk }
        }
        Ok(response) => {
            let refused = timeout_at(deadline, refusal(response)).await;
            let refused = refused.map_or_else(|_| late(), anyhow::Error::new);
            // Whoever asked waits for this.
            let _ = head.send(Err(refused.context(format!("{place} says"))));
            return;
        }
        Err(error) => {
            let _ = head.send(Err(error));
            return;
        }
    };
    match patience {
        Patience::Head => body.run().await,
        Patience::Whole => {
            if timeout_at(deadline, body.run()).await.is_err() {
                let late = io::Error::new(io::ErrorKind::TimedOut, late());
                let _ = body.chunk.send(Err(late)).await;
            }
        }
    }
}

/// Hands chunks to a [`Body`].
struct Pump {
    incoming: Incoming,
    chunk: mpsc::Sender<io::Result<Bytes>>,
}

impl Pump {
    async fn run(&mut self) {
        loop {
            let frame = tokio::select! {
                frame = self.incoming.frame() => frame,
                () = self.chunk.closed() => return,
            };
            let chunk = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => Ok(chunk),
                    // Trailers.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    let broke = format!("the daemon broke off: {}", told(&error));
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, broke))
                }
                None => return,
            };
            let broken = chunk.is_err();
            if self.chunk.send(chunk).await.is_err() || broken {
                return;
            }
        }
    }
}

async fn send(place: &Place, request: Request<Empty<Bytes>>) -> anyhow::Result<Response<Incoming>> {
    match place {
        Place::Tcp { authority, .. } => {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']');
            let port = authority.port_u16().unwrap_or(PORT);
            speak(TcpStream::connect((host, port)).await?, request).await
        }
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => speak(stream, request).await,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(denied(path)),
            Err(error) => Err(error.into()),
        },
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<Response<Incoming>> {
    let spoken = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its error is that of the response or of its body as well.
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    spoken.await.map_err(|error| anyhow!(told(&error)))
}

/// What the daemon has against a request.
async fn refusal(response: Response<Incoming>) -> Refused {
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_FAILURE).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let said = serde_json::from_slice::<api::Error>(&body).map(|error| error.error);
    Refused { status: status.as_u16(), said: said.unwrap_or_else(|_| format!("status {status}")) }
}

/// An error and its causes as text: among them may be a broken pipe to the daemon, which is not one of our output.
fn told(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
