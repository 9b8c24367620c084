//! `/-/reload`: asks whoever runs the daemon to read its configuration again.

use axum::{
    Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::{mpsc, oneshot};

/// Where the answer to a reload goes: what is in force now, or why nothing changed.
pub type Reloaded = oneshot::Sender<Result<(), String>>;

/// Reloads that may wait; each reads everything.
const WAITING: usize = 4;

/// How a request asks for a reload.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Option<mpsc::Sender<Reloaded>>);

impl Lifecycle {
    /// With `enabled` requests arrive at the receiver; else each is refused.
    #[must_use]
    pub fn new(enabled: bool) -> (Self, mpsc::Receiver<Reloaded>) {
        let (orders, ordered) = mpsc::channel(WAITING);
        (Self(enabled.then_some(orders)), ordered)
    }
}

/// Answers when the configuration was read.
pub(super) async fn reload(Extension(Lifecycle(orders)): Extension<Lifecycle>) -> Response {
    let Some(orders) = orders else {
        let why = "not enabled here: start the daemon with --web.enable-lifecycle\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    };
    let (answer, answered) = oneshot::channel();
    if orders.try_send(answer).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "reloads are waiting; try again\n")
            .into_response();
    }
    match answered.await {
        Ok(Ok(())) => "OK\n".into_response(),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
    }
}
