//! `wireledger scans`.

use std::{collections::BTreeMap, mem, thread, time::Duration};

use anyhow::bail;

use super::{Outcome, client::Connect, output, verdicts};
use crate::{
    report::{ScanKind, ScanLine},
    web::api,
};

/// Show who scanned or flooded, how, and what the verdict rests on
///
/// Those under way, and those that ended last.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    connect: Connect,
    /// Go on, and print each as it begins and when it has grown or ended; a daemon that goes away is waited for
    #[arg(long)]
    follow: bool,
    /// Print JSON; with --follow a line for each change
    #[arg(long)]
    json: bool,
}

/// Between two questions of --follow.
const AGAIN: Duration = Duration::from_secs(1);

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let answer = self.ask()?;
        if self.follow {
            return self.follow(answer);
        }
        if self.json {
            output::json(&answer)?;
        } else {
            verdicts::print(&answer.scans)?;
        }
        Ok(Outcome::Done)
    }

    fn ask(&self) -> anyhow::Result<api::Scans> {
        watched(self.connect.get(api::SCANS)?)
    }

    /// Until the reader goes, or a daemon says that it looks for no scans.
    fn follow(self, mut answer: api::Scans) -> anyhow::Result<Outcome> {
        let mut seen = Seen::default();
        loop {
            for scan in seen.news(answer.scans) {
                if self.json {
                    output::json_line(&scan)?;
                } else {
                    verdicts::print(&[scan])?;
                }
            }
            answer = watched(self.again())?;
        }
    }

    /// The next answer, however long the daemon is away.
    fn again(&self) -> api::Scans {
        let mut away = false;
        loop {
            thread::sleep(AGAIN);
            match self.connect.get(api::SCANS) {
                Ok(answer) => {
                    if away {
                        eprintln!("the daemon answers again");
                    }
                    return answer;
                }
                Err(error) if !mem::replace(&mut away, true) => {
                    eprintln!("waiting for the daemon: {error:#}");
                }
                Err(_) => {}
            }
        }
    }
}

fn watched(answer: api::Scans) -> anyhow::Result<api::Scans> {
    if !answer.watched {
        bail!("the daemon looks for no scans: start it without --scan.sensitivity off");
    }
    Ok(answer)
}

/// What was printed of the verdicts that the daemon shows, by what names them for good: revisions.
#[derive(Default)]
struct Seen(BTreeMap<(bool, u64, u64), u64>);

impl Seen {
    /// The verdicts that were told since; those that the daemon does not show any more are forgotten.
    fn news(&mut self, scans: Vec<ScanLine>) -> Vec<ScanLine> {
        let before = mem::take(&mut self.0);
        let is_new = |scan: &ScanLine| {
            let is_flood = matches!(scan.kind, ScanKind::Flood(_));
            let telling = scan.telling;
            let first = telling.map_or(0, |telling| telling.first_told.to_bits());
            let revision = telling.map_or(0, |telling| telling.revision);
            let key = (is_flood, scan.id, first);
            self.0.insert(key, revision);
            before.get(&key) != Some(&revision)
        };
        scans.into_iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{Telling, TellingStage},
        scan::{Confidence, Kind, Ports, Shape, Targets, Verdict},
    };

    fn line(id: u64, revision: u64, packets: u64) -> ScanLine {
        let verdict = Verdict {
            id,
            kind: Kind::Syn,
            shape: Shape::PortScan,
            interface: 2,
            egress: false,
            sources: Vec::new(),
            targets: Targets::default(),
            ports: Ports::default(),
            open_ports: Default::default(),
            pairs: 0,
            attempts: 0,
            packets,
            first_seen: 0,
            last_seen: 0,
            tags: Vec::new(),
            confidence: Confidence::Certain,
            reasons: Vec::new(),
        };
        let telling = Telling { stage: TellingStage::Grown, revision, first_told: 7.5 };
        let line = ScanLine::of_scan(&verdict, true, "eth0".to_owned(), (0.0, packets as f64));
        ScanLine { telling: Some(telling), ..line }
    }

    #[test]
    fn a_verdict_is_news_when_it_was_told_and_not_while_its_counts_go_on() {
        let mut seen = Seen::default();
        assert_eq!(seen.news(vec![line(1, 1, 10), line(2, 1, 10)]).len(), 2);
        assert_eq!(seen.news(vec![line(1, 1, 20), line(2, 1, 30)]), []);
        // Also where it is called something else now.
        let renamed = ScanLine { kind: ScanKind::Scan(Kind::Connect), ..line(1, 1, 30) };
        assert_eq!(seen.news(vec![renamed]), []);
        assert_eq!(seen.news(vec![line(1, 2, 40)]), [line(1, 2, 40)]);
        assert_eq!(seen.0.len(), 1);
    }

    #[test]
    fn a_daemon_that_begins_anew_has_verdicts_of_its_own() {
        let mut seen = Seen::default();
        seen.news(vec![line(1, 1, 10)]);
        let mut other = line(1, 1, 10);
        other.telling = other.telling.map(|telling| Telling { first_told: 99.0, ..telling });
        assert_eq!(seen.news(vec![other.clone()]), [other]);
    }

    #[test]
    fn how_far_it_was_told_stands_beside_the_rest_of_a_line() {
        let json = serde_json::to_value(line(1, 2, 3)).expect("JSON");
        assert_eq!((&json["stage"], &json["revision"]), (&"grown".into(), &2.into()));
        assert_eq!(serde_json::from_value::<ScanLine>(json).expect("a line"), line(1, 2, 3));
        let untold = ScanLine { telling: None, ..line(1, 2, 3) };
        let json = serde_json::to_value(&untold).expect("JSON");
        assert!(json.get("stage").is_none());
        assert_eq!(serde_json::from_value::<ScanLine>(json).expect("a line"), untold);
    }
}
