//! `wireledger ledger`.

use super::{Outcome, client::Connect, output};
use crate::{report::Account, web::api};

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

const HEAD: [&str; 13] = [
    "INTERFACE",
    "DIRECTION",
    "CPU",
    "VERDICT",
    "SEEN PKTS",
    "= FLOWS",
    "+ OVERFLOW",
    "+ UNREAD",
    "SEEN BYTES",
    "= FLOWS",
    "+ OVERFLOW",
    "+ UNREAD",
    "MOVING",
];

/// Accounts and verdict.
pub(super) fn print(ledger: &api::Ledger) -> std::io::Result<()> {
    output::table(&HEAD, 4, ledger.accounts.iter().map(row))?;
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

fn row(account: &Account) -> Vec<String> {
    let Account { seen, flows, overflow, unread, .. } = account;
    vec![
        account.interface.clone(),
        account.direction.label().to_owned(),
        account.cpu.to_string(),
        if account.balanced { "balanced" } else { "OFF" }.to_owned(),
        seen.packets.to_string(),
        flows.packets.to_string(),
        overflow.packets.to_string(),
        unread.packets.to_string(),
        seen.bytes.to_string(),
        flows.bytes.to_string(),
        overflow.bytes.to_string(),
        unread.bytes.to_string(),
        account.difference.packets.to_string(),
    ]
}
