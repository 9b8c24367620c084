//! `wireledger ledger`.

use super::{Outcome, client::Connect, output};
use crate::{
    report::{Account, Count},
    web::api,
};

/// Check that every packet is accounted for: seen = flows + overflow + unread
///
/// Asks the running daemon for its accounts, one for each interface, direction and CPU, and fails (exit code 1) when one
/// of them does not balance to the last packet and byte.
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
        let ledger: api::Ledger = self.connect.get("/api/v1/ledger")?;
        if self.json {
            output::json(&ledger)?;
        } else {
            print(&ledger)?;
        }
        Ok(Outcome::of(ledger.balanced))
    }
}

const HEAD: [&str; 9] = [
    "INTERFACE",
    "DIRECTION",
    "CPU",
    "UNIT",
    "SEEN",
    "= FLOWS",
    "+ OVERFLOW",
    "+ UNREAD",
    "VERDICT",
];

/// Accounts and verdict.
pub(super) fn print(ledger: &api::Ledger) -> std::io::Result<()> {
    output::table(&HEAD, 4, ledger.accounts.iter().flat_map(rows))?;
    if ledger.unplaced.packets != 0 {
        let unplaced = ledger.unplaced;
        output::line(&format!(
            "unplaced: {} packets, {} bytes of interfaces that are on no ledger",
            unplaced.packets, unplaced.bytes
        ))?;
    }
    output::line(if ledger.balanced {
        "The ledger balances."
    } else {
        "THE LEDGER DOES NOT BALANCE."
    })
}

/// One line for packets, one for bytes.
fn rows(account: &Account) -> [Vec<String>; 2] {
    let Account { seen, flows, overflow, unread, .. } = account;
    let row = |unit: &str, get: fn(&Count) -> u64| {
        let mut row = vec![
            account.interface.clone(),
            account.direction.label().to_owned(),
            account.cpu.to_string(),
            unit.to_owned(),
        ];
        row.extend([seen, flows, overflow, unread].map(|count| get(count).to_string()));
        row.push(if account.balanced { "balanced" } else { "OFF" }.to_owned());
        row
    };
    [row("packets", |count| count.packets), row("bytes", |count| count.bytes)]
}
