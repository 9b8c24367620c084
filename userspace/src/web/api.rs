//! The API's answers, as the server writes and the command line reads them.

use axum::http::HeaderName;
use serde::{Deserialize, Serialize};

/// Streams a new session's packets.
pub const CAPTURE: &str = "/api/v1/capture";
/// The sessions under way; one of them by its number behind a slash.
pub const CAPTURES: &str = "/api/v1/captures";
/// Answers with what the flight recorder holds.
pub const RECORDER_DUMP: &str = "/api/v1/recorder/dump";

/// Answers with what became of the configuration, and whom the web refused: [`Server`].
pub const STATUS: &str = "/api/v1/status";

/// Scans and floods: [`Scans`].
pub const SCANS: &str = "/api/v1/scans";

/// Whether a path is for who may capture.
#[must_use]
pub fn is_capture(path: &str) -> bool {
    let below = |page: &str| path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/'));
    [CAPTURE, CAPTURES, RECORDER_DUMP].contains(&path) || below(CAPTURES)
}

/// Header of [`CAPTURE`]'s answer: the session's number.
pub const SESSION: HeaderName = HeaderName::from_static("wireledger-session");
/// Header of [`CAPTURE`]'s answer: bytes of each packet that it gets.
pub const SNAP_LENGTH: HeaderName = HeaderName::from_static("wireledger-snaplen");

use crate::report::{Account, Count, FlowLine, Interface, ScanLine, Snapshot, Sort};
pub use crate::{capture::Held, report::Server};

/// `/api/v1/ledger`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ledger {
    /// When it was taken, seconds since 1970.
    pub at: f64,
    /// Every account balances, and every packet had a place.
    pub balanced: bool,
    /// By interface, direction and CPU.
    pub accounts: Vec<Account>,
    /// Packets of interfaces without a place.
    pub unplaced: Count,
}

impl From<&Snapshot> for Ledger {
    fn from(snapshot: &Snapshot) -> Self {
        let accounts = snapshot.accounts.clone();
        let unplaced = snapshot.unplaced;
        let balanced =
            unplaced == Count::default() && accounts.iter().all(|account| account.balanced);
        Self { at: snapshot.at, balanced, accounts, unplaced }
    }
}

/// Query of `/api/v1/flows`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowsQuery {
    /// How many flows.
    pub top: usize,
    /// Which come first.
    pub sort: Sort,
}

impl Default for FlowsQuery {
    fn default() -> Self {
        Self { top: 20, sort: Sort::default() }
    }
}

/// `/api/v1/flows`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Flows {
    /// Flows that are not idle.
    pub total: u64,
    /// The first of them.
    pub flows: Vec<FlowLine>,
}

/// `/api/v1/interfaces`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Interfaces {
    /// By name.
    pub interfaces: Vec<Interface>,
}

/// `/api/v1/scans`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Scans {
    /// Somebody looks for them: `--scan.sensitivity` is not off.
    pub watched: bool,
    /// Those under way and those that ended last, oldest first.
    pub scans: Vec<ScanLine>,
}

/// `/api/v1/captures`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Captures {
    /// Those under way.
    pub captures: Vec<Held>,
}

/// The body of a failure.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Error {
    /// What is wrong.
    pub error: String,
}
