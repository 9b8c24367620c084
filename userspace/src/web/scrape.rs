//! `/metrics`: how many may ask at once, for how long, in which format and encoding.
//!
//! | status | when |
//! |---|---|
//! | 200 | also when a collector failed, whose `wireledger_scrape_collector_success` is 0 then |
//! | 400 | the scraper's timeout is no number |
//! | 503 | too many scrapes at once, or no answer in time |

use std::{
    io::{self, Write as _},
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Sources;
use crate::{
    feed::{Feed, Unanswered, Want},
    metrics::{self, Collector, Collectors, Format, Own},
    report::Snapshot,
};

/// How long the scraper waits, seconds.
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// What an answer needs to get to the scraper.
const WAY_BACK: Duration = Duration::from_millis(500);

/// A smaller body is not worth compressing, bytes.
const COMPRESSED_FROM: usize = 1024;

/// Compressing a body of this size takes some two milliseconds; what is longer than that keeps no thread of the runtime.
const INLINE: usize = 256 * 1024;

/// Buffers that are kept for the next answers: two of these, each plain and compressed.
const BUFFERS: usize = 4;

/// Answers scrapes.
#[derive(Clone, Debug)]
pub struct Scrapes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    collectors: Mutex<Collectors>,
    own: Own,
    /// None: as many as come.
    places: Option<Arc<Semaphore>>,
    max_requests: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Length of the last plain body.
    length: AtomicUsize,
}

impl Scrapes {
    /// Of these collectors, for so many at once; 0 for as many as come.
    ///
    /// # Errors
    /// As [`Own::new`].
    pub fn new(collectors: Collectors, max_requests: usize) -> prometheus::Result<Self> {
        let places = (max_requests > 0)
            .then(|| Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))));
        Ok(Self(Arc::new(Shared {
            collectors: Mutex::new(collectors),
            own: Own::new()?,
            places,
            max_requests,
            buffers: Mutex::default(),
            length: AtomicUsize::new(0),
        })))
    }

    /// Tells of these collectors from now on.
    pub fn switch(&self, collectors: Collectors) {
        *self.0.collectors.lock().unwrap_or_else(PoisonError::into_inner) = collectors;
    }

    async fn answer(&self, feed: &Feed, headers: &HeaderMap) -> Result<Answer, Refused> {
        let place = self.place()?;
        let Some(patience) = patience(headers)? else {
            return self.write(feed, headers, place).await;
        };
        let answer = tokio::time::timeout(patience, self.write(feed, headers, place)).await;
        answer.map_err(|_| Refused::Late(patience))?
    }

    /// A place among those that are answered.
    fn place(&self) -> Result<Place, Refused> {
        let Shared { places, max_requests, own, .. } = &*self.0;
        let permit = match places {
            None => None,
            Some(places) => Some(
                Arc::clone(places).try_acquire_owned().map_err(|_| Refused::Full(*max_requests))?,
            ),
        };
        own.in_flight.inc();
        Ok(Place { in_flight: own.in_flight.clone(), _permit: permit })
    }

    async fn write(
        &self,
        feed: &Feed,
        headers: &HeaderMap,
        place: Place,
    ) -> Result<Answer, Refused> {
        let kernel = self.0.collectors().has(Collector::Kernel);
        let snapshot = feed.snapshot(Want { kernel, ..Want::default() }).await?;
        let format = Format::accepted(values(headers, &header::ACCEPT));
        let gzip = metrics::wants_gzip(values(headers, &header::ACCEPT_ENCODING));
        let shared = Arc::clone(&self.0);
        let write = move || Answer::write(shared, &snapshot, format, gzip, place);
        if self.0.length.load(Ordering::Relaxed) <= INLINE {
            return Ok(write()?);
        }
        let written = tokio::task::spawn_blocking(write).await;
        Ok(written.map_err(io::Error::other)??)
    }
}

impl Shared {
    fn collectors(&self) -> Collectors {
        *self.collectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a scrape.
pub(super) async fn scrape(
    State(sources): State<Sources>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let scrapes = &sources.scrapes;
    let own = &scrapes.0.own;
    let mut response = match scrapes.answer(&sources.feed, &headers).await {
        Ok(answer) => {
            if method == Method::GET {
                own.sizes.observe(answer.body.bytes.len() as f64);
            }
            answer.into_response()
        }
        Err(refused) => refused.into_response(),
    };
    own.answered(response.status().as_str());
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// How long the answer may take: as long as the scraper waits, but for the way back, and half of it at the least.
fn patience(headers: &HeaderMap) -> Result<Option<Duration>, Refused> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let waits = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let waits = waits.ok_or(Refused::Timeout)?;
    // Whoever waits no time at all does not say how long it waits.
    Ok((!waits.is_zero()).then(|| waits.saturating_sub(WAY_BACK).max(waits / 2)))
}

/// A place among the requests that are answered; free again once the last byte is on its way.
#[derive(Debug)]
struct Place {
    in_flight: IntGauge,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

/// An answer's body, whose buffer goes back when it is sent.
struct Lent {
    bytes: Vec<u8>,
    shared: Arc<Shared>,
    _place: Option<Place>,
}

impl Lent {
    fn new(shared: Arc<Shared>, place: Option<Place>) -> Self {
        let mut buffers = shared.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = buffers.pop().unwrap_or_default();
        drop(buffers);
        Self { bytes, shared, _place: place }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.clear();
        let mut buffers = self.shared.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.capacity() > 0 && buffers.len() < BUFFERS {
            buffers.push(bytes);
        }
    }
}

/// An answer.
struct Answer {
    body: Lent,
    format: Format,
    compressed: bool,
}

impl Answer {
    fn write(
        shared: Arc<Shared>,
        snapshot: &Snapshot,
        format: Format,
        gzip: bool,
        place: Place,
    ) -> io::Result<Self> {
        let mut body = Lent::new(Arc::clone(&shared), Some(place));
        let Shared { own, length, .. } = &*shared;
        metrics::encode(snapshot, shared.collectors(), own, format, &mut body.bytes);
        length.store(body.bytes.len(), Ordering::Relaxed);
        let compressed = gzip && body.bytes.len() > COMPRESSED_FROM;
        if compressed {
            let plain = Lent {
                bytes: mem::take(&mut body.bytes),
                shared: Arc::clone(&shared),
                _place: None,
            };
            let empty = mem::take(&mut Lent::new(shared, None).bytes);
            let mut encoder = GzEncoder::new(empty, Compression::fast());
            encoder.write_all(&plain.bytes)?;
            body.bytes = encoder.finish()?;
        }
        Ok(Self { body, format, compressed })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Body::from(Bytes::from_owner(self.body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(self.format.content_type());
        headers.insert(header::CONTENT_TYPE, kind);
        if self.compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0} scrapes are under way, as many as --web.max-requests allows; try again")]
    Full(usize),
    #[error("X-Prometheus-Scrape-Timeout-Seconds is no number of seconds")]
    Timeout,
    #[error("no answer within {0:?}, which is what the scrape's timeout leaves")]
    Late(Duration),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("writing the answer: {0}")]
    Writing(#[from] io::Error),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Timeout => StatusCode::BAD_REQUEST,
            Self::Full(_) | Self::Late(_) | Self::Unanswered(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Writing(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests;
