//! `wireledger interfaces`.

use super::{Outcome, client::Connect, output};
use crate::{report::Interface, web::api};

/// What the running daemon watches, in which mode, and why not in a better one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    connect: Connect,
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let interfaces: api::Interfaces = self.connect.get("/api/v1/interfaces")?;
        if self.json {
            output::json(&interfaces)?;
        } else {
            let head = ["INTERFACE", "INDEX", "STATE", "INGRESS", "EGRESS", "WHY"];
            output::table(&head, usize::MAX, interfaces.interfaces.iter().map(row))?;
        }
        Ok(Outcome::Done)
    }
}

fn row(interface: &Interface) -> Vec<String> {
    let whys = [&interface.ingress, &interface.egress].into_iter().filter_map(|a| a.why.clone());
    let why = whys.collect::<Vec<_>>().join("; ");
    vec![
        interface.name.clone(),
        interface.index.to_string(),
        if interface.present { "present" } else { "gone" }.to_owned(),
        interface.ingress.mode.clone(),
        interface.egress.mode.clone(),
        if why.is_empty() { "-".to_owned() } else { why },
    ]
}
