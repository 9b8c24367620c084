//! The HTTP face: metrics, health, and the API that the command line asks.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Prometheus text format 0.0.4 or OpenMetrics 1.0.0; [`scrape`] says more |
//! | `/-/healthy`, `/-/ready` | 200 while the ledger answers |
//! | `/api/v1/ledger` | the accounts and whether they balance |
//! | `/api/v1/flows?top=N&sort=bytes` | the first N flows; `sort` is bytes, packets, age or recent |
//! | `/api/v1/interfaces` | what is attached, in which mode, and why not a better one |
//! | `/api/v1/capture?filter=…&interface=…` | a stream of packets, as pcapng; [`crate::capture::Request`] has the whole query |
//! | `/api/v1/captures` | the captures under way; `DELETE /api/v1/captures/ID` ends one |
//! | `POST /api/v1/recorder/dump` | what the flight recorder holds, as pcapng |
//!
//! The last three are for whoever may capture. Errors of the API are JSON, `{"error": "…"}`, with status 400 for a bad query,
//! 401 and 403 for whoever may not capture, 404 for what is not there, 409 when every session is taken, and 503 while the ledger cannot answer.
//!
//! The same is served over TCP and over a unix socket; what a client may do is the listener's [`Access`].

mod access;
pub mod api;
mod capture;
pub mod listen;
mod scrape;

pub use access::{Access, Token};
pub use scrape::Scrapes;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Extension, Json, Router,
    extract::{FromRef, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{AppendHeaders, Html, IntoResponse, Response},
    routing::{delete, get, post},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};

use crate::{
    capture::{Desk, Refusal, Unopened},
    feed::{Feed, Unanswered, Want},
    filter,
    report::Snapshot,
};

/// What the server serves from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Snapshots.
    pub feed: Feed,
    /// Capture sessions.
    pub desk: Desk,
    /// Answers scrapes.
    pub scrapes: Scrapes,
}

impl FromRef<Sources> for Feed {
    fn from_ref(sources: &Sources) -> Self {
        sources.feed.clone()
    }
}

/// How long a client may take for an answer that is under way when the run ends.
const DRAIN: Duration = Duration::from_secs(5);

/// Where clients come from.
pub struct Listeners {
    /// Over TCP.
    pub tcp: TcpListener,
    /// What those may do.
    pub access: Access,
    /// Over the unix socket: its file says who, and those may do everything.
    pub socket: Option<listen::Socket>,
}

/// Serves until the last totals are there, and those to whoever is connected still.
///
/// # Errors
/// When a listener fails.
pub async fn serve(
    listeners: Listeners,
    sources: Sources,
    ended: watch::Receiver<Option<Arc<Snapshot>>>,
) -> anyhow::Result<()> {
    let Listeners { tcp, access, socket } = listeners;
    let web = serve_on(tcp, router(sources.clone(), access), ended.clone());
    let local = async {
        let Some(socket) = socket else { return Ok(()) };
        // The file goes when the listener has gone.
        let (listener, _file) = socket.into_parts();
        let listener = UnixListener::from_std(listener).context("listening on the unix socket")?;
        serve_on(listener, router(sources, Access::allowed()), ended).await
    };
    tokio::try_join!(web, local).map(drop)
}

async fn serve_on<L>(
    listener: L,
    app: Router,
    ended: watch::Receiver<Option<Arc<Snapshot>>>,
) -> anyhow::Result<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let over = |mut ended: watch::Receiver<_>| async move {
        // A closed channel is the end as well.
        let _ = ended.wait_for(Option::is_some).await;
    };
    let served = axum::serve(listener, app).with_graceful_shutdown(over(ended.clone()));
    let late = async {
        over(ended).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served => served.context("serving HTTP"),
        // A client that stopped half way through a request or an answer would keep the run from ending.
        () = late => Ok(()),
    }
}

fn router(sources: Sources, access: Access) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(scrape::scrape))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(healthy))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/flows", get(flows))
        .route("/api/v1/interfaces", get(interfaces))
        .route(api::CAPTURE, get(capture::open))
        .route(api::CAPTURES, get(capture::list))
        .route(&format!("{}/{{id}}", api::CAPTURES), delete(capture::close))
        .route(api::RECORDER_DUMP, post(capture::dump))
        .layer(Extension(access))
        .with_state(sources)
}

async fn landing() -> Html<&'static str> {
    Html(include_str!("landing.html"))
}

async fn healthy(State(feed): State<Feed>) -> Result<&'static str, Failure> {
    feed.snapshot(Want::default()).await?;
    Ok("OK\n")
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
    let snapshot =
        feed.snapshot(Want { flows: query.top, sort: query.sort, ..Want::default() }).await?;
    Ok(Json(api::Flows { total: snapshot.live_flows, flows: snapshot.flows.clone() }))
}

async fn interfaces(State(feed): State<Feed>) -> Result<Json<api::Interfaces>, Failure> {
    let snapshot = feed.snapshot(Want::default()).await?;
    Ok(Json(api::Interfaces { interfaces: snapshot.interfaces.clone() }))
}

/// Why a request failed.
#[derive(Debug)]
enum Failure {
    BadQuery(String),
    Unauthorized,
    Forbidden,
    NoRecorder,
    NoSession(u64),
    Sampler,
    Unopened(Unopened),
    Unanswered(Unanswered),
}

impl From<Unanswered> for Failure {
    fn from(error: Unanswered) -> Self {
        Self::Unanswered(error)
    }
}

impl From<Unopened> for Failure {
    fn from(error: Unopened) -> Self {
        Self::Unopened(error)
    }
}

/// How to have one.
const NO_RECORDER: &str =
    "the daemon records nothing; start it with --sample-every N, and --recorder SIZE for how much";

/// How to get the token in.
const UNAUTHORIZED: &str = "capturing here takes `Authorization: Bearer` and the token of the daemon's \
    --web.capture-token-file; --token-file says where yours is";

/// How to get in at all.
const FORBIDDEN: &str = "no captures over this listener: ask over the daemon's unix socket, or start the daemon with \
    --web.capture-token-file FILE or --web.allow-capture";

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let challenge = matches!(self, Self::Unauthorized);
        let (status, error) = match self {
            Self::BadQuery(error) => (StatusCode::BAD_REQUEST, error),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, UNAUTHORIZED.to_owned()),
            Self::Forbidden => (StatusCode::FORBIDDEN, FORBIDDEN.to_owned()),
            Self::NoRecorder => (StatusCode::NOT_FOUND, NO_RECORDER.to_owned()),
            Self::NoSession(id) => {
                (StatusCode::NOT_FOUND, format!("no capture {id} here; it may have ended"))
            }
            Self::Sampler => {
                let why = "that is the always-on sampler, which ends with the daemon";
                (StatusCode::CONFLICT, why.to_owned())
            }
            Self::Unopened(error) => (unopened(&error), error.to_string()),
            Self::Unanswered(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        let challenge = challenge.then_some([(header::WWW_AUTHENTICATE, "Bearer")]);
        (status, AppendHeaders(challenge.into_iter().flatten()), Json(api::Error { error }))
            .into_response()
    }
}

fn unopened(error: &Unopened) -> StatusCode {
    match error {
        Unopened::Filter(filter::Error::NoLibpcap { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        Unopened::Refused(Refusal::Full { .. }) => StatusCode::CONFLICT,
        Unopened::Refused(Refusal::NoInterface { .. }) => StatusCode::NOT_FOUND,
        Unopened::Filter(_)
        | Unopened::Refused(
            Refusal::Invalid(_)
            | Refusal::Link { .. }
            | Refusal::Name { .. }
            | Refusal::Direction { .. }
            | Refusal::Filter { .. },
        ) => StatusCode::BAD_REQUEST,
        Unopened::Refused(Refusal::Kernel { .. }) | Unopened::Stopped | Unopened::Late => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
