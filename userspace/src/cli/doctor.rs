//! `wireledger doctor`.

use std::{sync::Arc, time::Duration};

use super::{Outcome, client, output, run::runtime};
use crate::{
    filter,
    kernel::{
        Sizes,
        doctor::{self, Finding, Verdict},
        links,
        namespace::Namespace,
    },
    plan::{Pattern, Socket},
};

/// What this kernel, this user and these interfaces allow, and what attaching would do
///
/// Loads the programs and looks around; attaches nothing. Exit code 1 if `run` would fail.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Interface to look at: a name, or a pattern like 'eth*'; may be given several times
    #[arg(short, long = "interface", value_name = "IFACE")]
    interfaces: Vec<Pattern>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let mut findings = doctor::host(Sizes {
            flow_memory: 1 << 20,
            record_memory: 1 << 12,
            sample_memory: 1 << 12,
            interfaces: 1,
            evict_after: Duration::from_secs(1),
            log_level: 0,
            decap: false,
            replay: None,
        });
        findings.extend([libpcap(), socket()]);
        let namespace = Arc::new(Namespace::own());
        let all = runtime()?.block_on(links::list(&namespace))?;
        for pattern in &self.interfaces {
            let mut matching = all.iter().filter(|one| pattern.matches(&one.name)).peekable();
            if matching.peek().is_none() {
                findings.push(absent(pattern));
            }
            findings.extend(matching.flat_map(|one| doctor::interface(&namespace, one)));
        }
        output::table(&["CHECK", "VERDICT", "FOUND"], usize::MAX, findings.iter().map(row))?;
        Ok(Outcome::of(findings.iter().all(|finding| finding.verdict != Verdict::Fails)))
    }
}

fn libpcap() -> Finding {
    let (verdict, detail) = match filter::libpcap_version() {
        Ok(version) => (Verdict::Fine, format!("{version}: compiles the filters of captures")),
        Err(error) => (Verdict::Note, error.to_string()),
    };
    Finding { what: "libpcap".to_owned(), verdict, detail }
}

fn socket() -> Finding {
    let path = Socket::DEFAULT;
    let (verdict, detail) = match client::Connect::default_socket() {
        Ok(Some(_)) => (Verdict::Fine, format!("a daemon listens on {path}: captures go there")),
        Ok(None) => {
            let detail = format!("nobody listens on {path}: captures load a probe of their own");
            (Verdict::Note, detail)
        }
        Err(error) => (Verdict::Note, format!("{error:#}")),
    };
    Finding { what: "daemon".to_owned(), verdict, detail }
}

fn absent(pattern: &Pattern) -> Finding {
    let verdict = if pattern.is_name() { Verdict::Fails } else { Verdict::Note };
    let detail = if pattern.is_name() {
        "no such interface in this network namespace; `ip link` lists them"
    } else {
        "matches nothing now; what appears later will be watched"
    };
    Finding { what: pattern.as_str().to_owned(), verdict, detail: detail.to_owned() }
}

fn row(finding: &Finding) -> Vec<String> {
    let verdict = match finding.verdict {
        Verdict::Fine => "ok",
        Verdict::Note => "note",
        Verdict::Fails => "FAILS",
    };
    vec![finding.what.clone(), verdict.to_owned(), finding.detail.clone()]
}
