//! Captures over HTTP: a session's packets as a stream of pcapng, the sessions under way, the flight recorder.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::Stream;
use tokio::sync::mpsc;

use super::{Access, Failure, Sources, api};
use crate::capture::{Hold, Request};

/// Media type of a capture file.
const PCAPNG: &str = "application/x-pcapng";

/// Arms a session and streams its packets. The session ends with the body, whichever side ends it.
pub(super) async fn open(
    State(sources): State<Sources>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    query: Result<Query<Request>, QueryRejection>,
) -> Result<Response, Failure> {
    access.capture(&headers)?;
    let Query(request) = query.map_err(|error| Failure::BadQuery(error.body_text()))?;
    let duration = request.time().map_err(|error| Failure::BadQuery(error.to_string()))?;
    let opened = sources.desk.open(request).await?;
    let headers = [
        (header::CONTENT_TYPE, PCAPNG.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (api::SESSION, opened.id.to_string()),
        (api::SNAP_LENGTH, opened.snap.to_string()),
    ];
    let (desk, id) = (sources.desk, opened.id);
    let over = duration.map(|duration| {
        Box::pin(async move {
            tokio::time::sleep(duration).await;
            desk.close(id);
        }) as Over
    });
    let body = Pieces { pieces: opened.stream, over, _hold: opened.hold };
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The sessions under way.
pub(super) async fn list(
    State(sources): State<Sources>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
) -> Result<Json<api::Captures>, Failure> {
    access.capture(&headers)?;
    Ok(Json(api::Captures { captures: sources.desk.list().await? }))
}

/// Ends a session; whoever reads it gets its last packets and statistics.
pub(super) async fn close(
    State(sources): State<Sources>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    id: Result<Path<u64>, PathRejection>,
) -> Result<StatusCode, Failure> {
    access.capture(&headers)?;
    let Path(id) = id.map_err(|error| Failure::BadQuery(error.body_text()))?;
    match sources.desk.list().await?.iter().find(|held| held.id == id) {
        None => Err(Failure::NoSession(id)),
        Some(held) if held.sampler => Err(Failure::Sampler),
        Some(_) => {
            sources.desk.close(id);
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// What the flight recorder holds, as a capture file.
pub(super) async fn dump(
    State(sources): State<Sources>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    access.capture(&headers)?;
    let file = sources.desk.dump().await?.ok_or(Failure::NoRecorder)?;
    Ok(([(header::CONTENT_TYPE, PCAPNG)], file).into_response())
}

/// Ends a session when its time is over.
type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A session's file on its way; dropped, it ends the session.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    over: Option<Over>,
    _hold: Hold,
}

impl Stream for Pieces {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The file ends by itself once the session is closed.
        self.over.take_if(|over| over.as_mut().poll(context).is_ready());
        self.pieces.poll_recv(context).map(|piece| piece.map(Ok))
    }
}
