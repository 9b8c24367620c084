//! Connections: accepted, shaken hands with, spoken to in HTTP, each on a task of its own, so that none waits for another.
//!
//! A client has a bounded time for its handshake and for its first request, and there are boundedly many clients.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    bind::{Listener, Stream},
    config::Config,
    tally::Tally,
};
use crate::report::{Refused, Snapshot};

/// Tells the end of the run by the last totals.
pub(super) type Ended = watch::Receiver<Option<Arc<Snapshot>>>;

/// How long a client may take for an answer that is under way when the run ends.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take for its handshake, and then for its first request.
const FIRST: Duration = Duration::from_secs(10);
/// How long a client may take for another request: longer than the usual time between two scrapes.
const NEXT: Duration = Duration::from_secs(130);
/// Connections at once, of all TCP listeners together and of each unix socket.
pub(super) const CONNECTIONS: usize = 256;
/// Requests at once of one HTTP/2 connection.
const STREAMS: u32 = 32;
/// After a failure to accept, of which the usual reason is a lack of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// What the bytes on a TLS port are answered that are HTTP.
const PLAINTEXT: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// One listener and what is behind it.
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) app: Router,
    /// For TCP; what comes over unix sockets is known by their files.
    pub(super) config: Arc<Config>,
    pub(super) tally: Arc<Tally>,
    pub(super) room: Arc<Semaphore>,
}

impl Door {
    /// Serves until the end, and those who are connected then still.
    pub(super) async fn keep(self, mut ended: Ended) {
        let mut talks = JoinSet::new();
        let until = ended.clone();
        loop {
            tokio::select! {
                () = over(&mut ended) => break,
                Some(_) = talks.join_next(), if !talks.is_empty() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok(stream) => self.take(stream, &mut talks, until.clone()),
                    Err(error) if is_of_client(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot accept a connection");
                        sleep(PAUSE).await;
                    }
                }
            }
        }
        // From here on the port is another's to take, and so is the file.
        drop(self);
        let all = async { while talks.join_next().await.is_some() {} };
        // A client that stopped half way through a request or an answer would keep the run from ending.
        let _ = timeout(DRAIN, all).await;
    }

    fn take(&self, stream: Stream, talks: &mut JoinSet<()>, ended: Ended) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.tally.refuse(Refused::Connections);
            return;
        };
        let (app, tally) = (self.app.clone(), Arc::clone(&self.tally));
        let config = Arc::clone(&self.config);
        talks.spawn(async move {
            let _place = place;
            match stream {
                Stream::Unix(stream) => speak(stream, Version::One, app, &tally, ended).await,
                Stream::Tcp(stream) => {
                    // Answers are written whole; there is nothing to wait for.
                    let _ = stream.set_nodelay(true);
                    match config.fresh().await.tls.clone() {
                        None => speak(stream, Version::One, app, &tally, ended).await,
                        Some(tls) => secured(stream, tls, app, &tally, ended).await,
                    }
                }
            }
        });
    }
}

/// The connection broke before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn over(ended: &mut Ended) {
    // A closed channel is the end as well.
    let _ = ended.wait_for(Option::is_some).await;
}

async fn secured(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    app: Router,
    tally: &Tally,
    mut ended: Ended,
) {
    let shaken = tokio::select! {
        shaken = timeout(FIRST, handshake(stream, tls)) => shaken,
        () = over(&mut ended) => return,
    };
    match shaken.unwrap_or(Err(Some(Refused::Silent))) {
        Ok(stream) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let version = if http2 { Version::Two } else { Version::One };
            speak(stream, version, app, tally, ended).await;
        }
        Err(Some(why)) => tally.refuse(why),
        // It came and went, as a check whether the port is open does.
        Err(None) => {}
    }
}

async fn handshake(
    mut stream: TcpStream,
    tls: Arc<ServerConfig>,
) -> Result<TlsStream<TcpStream>, Option<Refused>> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) => {}
        _ => return Err(None),
    }
    // A record of TLS begins with 22, a request of HTTP with its method.
    if first[0].is_ascii_uppercase() {
        // The client may have gone.
        let _ = say_plaintext(&mut stream).await;
        return Err(Some(Refused::Plaintext));
    }
    TlsAcceptor::from(tls).accept(stream).await.map_err(|error| {
        tracing::debug!(%error, "TLS handshake failed");
        Some(Refused::Handshake)
    })
}

async fn say_plaintext(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(PLAINTEXT).await?;
    stream.shutdown().await?;
    // What is unread when a socket is closed resets the connection, and the answer with it.
    let (mut rest, mut nowhere) = (stream.take(1 << 16), tokio::io::sink());
    let _ = timeout(PAUSE, tokio::io::copy(&mut rest, &mut nowhere)).await;
    Ok(())
}

/// Of HTTP.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// Serves one connection to its end.
async fn speak<I>(stream: I, version: Version, app: Router, tally: &Tally, mut ended: Ended)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let app = TowerToHyperService::new(app);
    let heard = Arc::clone(&asked);
    let service = service_fn(move |request| {
        heard.store(true, Relaxed);
        app.call(request)
    });
    let builder = builder(version);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut first = pin!(sleep(FIRST));
    let (mut ending, mut waiting) = (false, true);
    loop {
        tokio::select! {
            spoken = connection.as_mut() => {
                if let Err(error) = spoken {
                    tracing::debug!(error, "connection ended");
                }
                return;
            }
            () = over(&mut ended), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if waiting => {
                waiting = false;
                if !asked.load(Relaxed) {
                    tally.refuse(Refused::Silent);
                    return;
                }
            }
        }
    }
}

fn builder(version: Version) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match version {
        Version::One => builder.http1_only(),
        Version::Two => builder.http2_only(),
    };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(NEXT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(NEXT)
        .keep_alive_timeout(FIRST);
    builder
}
