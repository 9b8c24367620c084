//! The HTTP face: metrics, health, and the API that the command line asks.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Prometheus text format 0.0.4 |
//! | `/-/healthy`, `/-/ready` | 200 while the ledger answers |
//! | `/api/v1/ledger` | the accounts and whether they balance |
//! | `/api/v1/flows?top=N&sort=bytes` | the first N flows; `sort` is bytes, packets, age or recent |
//! | `/api/v1/interfaces` | what is attached, in which mode, and why not a better one |
//!
//! Errors of the API are JSON, `{"error": "…"}`, with status 400 for a bad query and 503 while the ledger cannot answer.

pub mod api;

use std::sync::Arc;

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    feed::{Feed, Unanswered, Want},
    metrics,
    report::Snapshot,
};

/// Serves until the last totals are there, and those to whoever is connected still.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    feed: Feed,
    mut ended: watch::Receiver<Option<Arc<Snapshot>>>,
) -> anyhow::Result<()> {
    let app = router(feed);
    let over = async move {
        // A closed channel is the end as well.
        let _ = ended.wait_for(Option::is_some).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(over).await.context("serving HTTP")
}

fn router(feed: Feed) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(scrape))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(healthy))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/flows", get(flows))
        .route("/api/v1/interfaces", get(interfaces))
        .with_state(feed)
}

async fn landing() -> Html<&'static str> {
    Html(include_str!("landing.html"))
}

async fn healthy(State(feed): State<Feed>) -> Result<&'static str, Failure> {
    feed.snapshot(Want::default()).await?;
    Ok("OK\n")
}

async fn scrape(State(feed): State<Feed>) -> Result<Response, Failure> {
    let snapshot = feed.snapshot(Want::default()).await?;
    let text = metrics::text(&snapshot)? + &metrics::process_text()?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn ledger(State(feed): State<Feed>) -> Result<Json<api::Ledger>, Failure> {
    let snapshot = feed.snapshot(Want::default()).await?;
    Ok(Json(api::Ledger::from(&*snapshot)))
}

async fn flows(
    State(feed): State<Feed>,
    query: Result<Query<api::FlowsQuery>, QueryRejection>,
) -> Result<Json<api::Flows>, Failure> {
    let Query(query) = query.map_err(|error| Failure::BadQuery(error.body_text()))?;
    let snapshot = feed.snapshot(Want { flows: query.top, sort: query.sort }).await?;
    Ok(Json(api::Flows { total: snapshot.live_flows, flows: snapshot.flows.clone() }))
}

async fn interfaces(State(feed): State<Feed>) -> Result<Json<api::Interfaces>, Failure> {
    let snapshot = feed.snapshot(Want::default()).await?;
    Ok(Json(api::Interfaces { interfaces: snapshot.interfaces.clone() }))
}

/// Why a request failed.
enum Failure {
    BadQuery(String),
    Unanswered(Unanswered),
    Encoding(prometheus::Error),
}

impl From<Unanswered> for Failure {
    fn from(error: Unanswered) -> Self {
        Self::Unanswered(error)
    }
}

impl From<prometheus::Error> for Failure {
    fn from(error: prometheus::Error) -> Self {
        Self::Encoding(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::BadQuery(error) => (StatusCode::BAD_REQUEST, error),
            Self::Unanswered(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Self::Encoding(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        (status, Json(api::Error { error })).into_response()
    }
}
