//! The HTTP face: metrics, health, and the API that the command line asks.
//!
//! | path | answer |
//! |---|---|
//! | `/` | links to the others |
//! | `/metrics`, or where it is asked for | Prometheus text format 0.0.4 or OpenMetrics 1.0.0; [`scrape`] says more |
//! | `/-/healthy`, `/-/ready` | 200 while the ledger answers |
//! | `POST /-/reload` | the configuration read again, where that is enabled |
//! | `/api/v1/ledger` | the accounts and whether they balance |
//! | `/api/v1/flows?top=N&sort=bytes` | the first N flows; `sort` is bytes, packets, age or recent |
//! | `/api/v1/interfaces` | what is attached, in which mode, and why not a better one |
//! | `/api/v1/scans` | scans and floods, those under way and those that ended last |
//! | `/api/v1/status` | configurations read, requests refused |
//! | `/api/v1/capture?filter=…&interface=…` | a stream of packets, as pcapng; [`crate::capture::Request`] has the whole query |
//! | `/api/v1/captures` | the captures under way; `DELETE /api/v1/captures/ID` ends one |
//! | `POST /api/v1/recorder/dump` | what the flight recorder holds, as pcapng |
//!
//! The last three are for whoever may capture. Errors of the API are JSON, `{"error": "…"}`, with status 400 for a bad query,
//! 401 and 403 for whoever may not capture, 404 for what is not there, 409 when every session is taken, and 503 while the ledger cannot answer.
//!
//! The same is served over TCP and over unix sockets; what a client may do is the listener's [`Access`]. The web's file
//! ([`config`]) has TLS, passwords, headers and a rate limit for TCP; who comes over a unix socket is known by its file.

mod access;
pub mod api;
pub mod bind;
mod capture;
pub mod config;
mod guard;
mod landing;
mod lifecycle;
pub mod listen;
mod passwords;
mod scrape;
mod serve;
mod tally;

pub use access::{Access, Token};
pub use bind::Listener;
pub use config::Config;
pub use lifecycle::{Lifecycle, Reloaded};
pub use scrape::Scrapes;
pub use tally::Tally;

use std::sync::Arc;

use anyhow::anyhow;
use axum::{
    Extension, Json, Router,
    extract::{FromRef, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::{AppendHeaders, Html, IntoResponse, Response},
    routing::{delete, get, post},
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use bind::Kind;
use guard::{Guard, guard};
use serve::{CONNECTIONS, Door};

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

/// Where clients come from, and what they find.
pub struct Listeners {
    /// The web's.
    pub web: Vec<Listener>,
    /// What those who come there may do.
    pub access: Access,
    /// The local socket: its file says who, and those may do everything.
    pub socket: Option<listen::Socket>,
    /// The web's file.
    pub config: Arc<Config>,
    /// The path of metrics.
    pub telemetry_path: String,
    /// How a request reloads the configuration.
    pub lifecycle: Lifecycle,
    /// Whom the web turns away is counted here.
    pub tally: Arc<Tally>,
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
    let mut doors = JoinSet::new();
    for door in open(listeners, &sources)? {
        doors.spawn(door.keep(ended.clone()));
    }
    while let Some(kept) = doors.join_next().await {
        kept.map_err(|panic| anyhow!(panic).context("a listener panicked"))?;
    }
    Ok(())
}

/// Each listener with the pages and rules of its kind.
fn open(listeners: Listeners, sources: &Sources) -> anyhow::Result<Vec<Door>> {
    let Listeners { web, access, socket, config, telemetry_path, lifecycle, tally } = listeners;
    let pages = |access: &Access| {
        let pages = router(&telemetry_path, sources.clone(), access.clone());
        pages.layer(Extension(lifecycle.clone())).layer(Extension(Arc::clone(&tally)))
    };
    let guarded = Guard::new(Arc::clone(&config), Arc::clone(&tally), access.clone());
    let guarded = pages(&access).layer(from_fn_with_state(Arc::new(guarded), guard));
    let room = || Arc::new(Semaphore::new(CONNECTIONS));
    let remote = room();
    let door = |listener, app, room| {
        let (config, tally) = (Arc::clone(&config), Arc::clone(&tally));
        Door { listener, app, config, tally, room }
    };
    let web = web.into_iter().map(|listener| match &listener.0 {
        Kind::Tcp(_) => door(listener, guarded.clone(), Arc::clone(&remote)),
        // Its file is systemd's, and open to everybody unless its unit says otherwise.
        Kind::Unix { _file: None, .. } => door(listener, guarded.clone(), room()),
        Kind::Unix { .. } => door(listener, pages(&access), room()),
    });
    let mut doors: Vec<_> = web.collect();
    if let Some(socket) = socket {
        doors.push(door(socket.try_into()?, pages(&Access::allowed()), room()));
    }
    Ok(doors)
}

fn router(telemetry_path: &str, sources: Sources, access: Access) -> Router {
    let path = telemetry_path.to_owned();
    let landing = async move |Extension(access): Extension<Access>| {
        Html(landing::page(&path, access.is_open()))
    };
    Router::new()
        .route("/", get(landing))
        .route(telemetry_path, get(scrape::scrape))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(healthy))
        .route("/-/reload", post(lifecycle::reload).put(lifecycle::reload))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/flows", get(flows))
        .route("/api/v1/interfaces", get(interfaces))
        .route(api::SCANS, get(scans))
        .route(api::STATUS, get(status))
        .route(api::CAPTURE, get(capture::open))
        .route(api::CAPTURES, get(capture::list))
        .route(&format!("{}/{{id}}", api::CAPTURES), delete(capture::close))
        .route(api::RECORDER_DUMP, post(capture::dump))
        .fallback(absent)
        .layer(Extension(access))
        .with_state(sources)
}

async fn absent() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing here; / has links to what there is\n")
}

async fn status(Extension(tally): Extension<Arc<Tally>>) -> Json<api::Server> {
    Json(tally.report())
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

async fn scans(State(feed): State<Feed>) -> Result<Json<api::Scans>, Failure> {
    let scans = feed.scans().await?;
    Ok(Json(api::Scans { watched: scans.is_some(), scans: scans.unwrap_or_default() }))
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
