//! `wireledger captures`.

use hyper::Method;

use super::{Outcome, client, output};
use crate::{capture::Held, dissect::escape, web::api};

/// Show the capture sessions of the running daemon, or end one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    daemon: client::Packets,
    /// End the session with this number; whoever reads it gets its last packets
    #[arg(long, value_name = "ID")]
    end: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        if let Some(id) = self.end {
            self.daemon.must()?.open(Method::DELETE, &format!("{}/{id}", api::CAPTURES), None)?;
            return Ok(Outcome::Done);
        }
        let answer: api::Captures = self.daemon.must()?.get(api::CAPTURES)?;
        if self.json {
            output::json(&answer)?;
        } else {
            output::table(&HEAD, 5, answer.captures.iter().map(row))?;
        }
        Ok(Outcome::Done)
    }
}

const HEAD: [&str; 9] =
    ["ID", "HOLDER", "INTERFACE", "WAY", "FILTER", "MATCHED", "DELIVERED", "LEFT OUT", "LOST"];

fn row(held: &Held) -> Vec<String> {
    let Held { request, tally, .. } = held;
    let or = |text: &str, instead: &str| {
        // What others wrote reaches no terminal as it is.
        if text.is_empty() { instead.to_owned() } else { escape::text(text).to_string() }
    };
    vec![
        held.id.to_string(),
        or(&request.holder, "-"),
        or(&request.interface, "all"),
        format!("{:?}", request.direction).to_lowercase(),
        or(&request.filter, "-"),
        tally.matched.to_string(),
        (tally.delivered - tally.unread.min(tally.delivered)).to_string(),
        (tally.left_out + tally.over_budget).to_string(),
        (tally.lost + tally.unread).to_string(),
    ]
}
