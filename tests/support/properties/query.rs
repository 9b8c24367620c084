//! A query of the API is understood or refused with status 400.

use std::sync::LazyLock;

use axum::{
    extract::Query,
    http::{StatusCode, Uri, uri::PathAndQuery},
};
use wireledger::{
    flows::{Ledger, Timeouts},
    web::api::FlowsQuery,
};
use wireledger_common::table::Slot;

use super::{Frame, probe};

/// A few flows to ask for.
static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let mut ledger = Ledger::new(FLOWS, Timeouts { idle: 10, active: 10 });
    for flow in 0..FLOWS {
        let slot = Slot { key: probe::key(flow as u8), packets: 1, bytes: 60, ..Slot::default() };
        ledger.read_slot(
            0,
            flow as u32,
            &probe::reading(2, slot),
            &probe::moment(1),
            &mut |_, _| {},
        );
    }
    ledger
});
const FLOWS: usize = 5;

/// `data` is what stands behind the question mark.
pub fn check(data: &[u8]) {
    let target = [b"/api/v1/flows?", data].concat();
    // What cannot stand in a request line is refused by the HTTP server, before any of our code.
    let Ok(target) = PathAndQuery::try_from(&target[..]) else { return };
    let asked = Query::<FlowsQuery>::try_from_uri(&Uri::from(target));
    let query = match asked {
        Ok(Query(query)) => query,
        Err(refused) => {
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(!refused.body_text().is_empty());
            return;
        }
    };
    assert_eq!(LEDGER.top(query.top, query.sort).len(), query.top.min(FLOWS));
    let again =
        Query::<FlowsQuery>::try_from_uri(&written(&query)).expect("what we write, we read");
    assert_eq!((again.top, again.sort), (query.top, query.sort));
}

/// The way the command line asks.
fn written(query: &FlowsQuery) -> Uri {
    let sort = serde_json::to_value(query.sort).expect("a sort order has a name");
    let sort = sort.as_str().expect("which is a string");
    format!("/api/v1/flows?top={}&sort={sort}", query.top).parse().expect("is a target")
}

/// Right ones and wrong ones.
#[must_use]
pub fn seeds(_: &[Frame]) -> Vec<Vec<u8>> {
    let queries = [
        "",
        "top=20",
        "top=0&sort=bytes",
        "sort=packets&top=18446744073709551615",
        "sort=age",
        "sort=recent&top=3",
        "top=-1",
        "top=1&top=2",
        "top=%32%30",
        "sort=By+tes",
        "top=18446744073709551616",
        "other=1",
        "%",
        "&&=&top",
    ];
    queries.iter().map(|query| query.as_bytes().to_vec()).collect()
}
