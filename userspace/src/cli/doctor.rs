//! stub
use super::Outcome;
/// stub
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
impl Args { pub(super) fn run(self) -> anyhow::Result<Outcome> { Ok(Outcome::Done) } }
