//! What a daemon answers: the API's JSON and the metrics, by the names that users see.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::send::Tally;

/// Answer of `/api/v1/ledger`.
#[derive(Clone, Debug, Deserialize)]
pub struct Ledger {
    /// Every account balances.
    pub balanced: bool,
    /// One for each interface, direction and CPU.
    pub accounts: Vec<Account>,
    /// Packets of interfaces that nobody watches.
    pub unplaced: Count,
}

/// One account of the ledger.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Interface name.
    pub interface: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// CPU number.
    pub cpu: u32,
    /// Every packet the program was called for.
    pub seen: Count,
    /// In flows.
    pub flows: Count,
    /// Read, but without a table entry.
    pub overflow: Count,
    /// Not read.
    pub unread: Count,
    /// What is missing.
    pub difference: Difference,
    /// Nothing is missing.
    pub balanced: bool,
}

/// Packets and bytes.
pub type Count = Tally;

/// What an account lacks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Difference {
    /// Packets.
    pub packets: i64,
    /// Bytes.
    pub bytes: i64,
}

/// Answer of `/api/v1/flows`.
#[derive(Clone, Debug, Deserialize)]
pub struct Flows {
    /// How many there are, listed or not.
    pub total: u64,
    /// Those asked for.
    pub flows: Vec<Flow>,
}

/// What names a flow.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct Key {
    pub direction: String,
    pub vlans: Vec<u16>,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub protocol_number: u8,
    pub fragment: bool,
}

/// The tunnel that a flow came out of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct Tunnel {
    pub kind: String,
    pub number: u32,
}

/// A flow.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct Flow {
    #[serde(flatten)]
    pub key: Key,
    pub tunnel: Option<Tunnel>,
    pub interface: String,
    pub protocol: String,
    pub packets: u64,
    pub bytes: u64,
    pub first_seen: f64,
    pub last_seen: f64,
    pub tcp_flags: Vec<String>,
    pub tcp_flags_first: Vec<String>,
    pub syn: u64,
    pub fin: u64,
    pub rst: u64,
    pub fragments: u64,
    pub ttl_min: u8,
    pub ttl_max: u8,
    pub dscp: u8,
    pub length_min: u32,
    pub length_max: u32,
    pub echo_id: Option<u16>,
}

impl Flow {
    /// Its packets and bytes.
    #[must_use]
    pub const fn count(&self) -> Tally {
        Tally { packets: self.packets, bytes: self.bytes }
    }
}

/// Answer of `/api/v1/interfaces`.
#[derive(Clone, Debug, Deserialize)]
pub struct Interfaces {
    /// Every watched interface, present or not.
    pub interfaces: Vec<Watched>,
}

/// An interface that the daemon watches, or waits for.
#[derive(Clone, Debug, Deserialize)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// It is there.
    pub present: bool,
    /// How it is watched.
    pub ingress: Hook,
    /// How it is watched.
    pub egress: Hook,
}

/// How a direction of an interface is watched.
#[derive(Clone, Debug, Deserialize)]
pub struct Hook {
    /// `native`, `generic`, `tcx`, `clsact` or `none`.
    pub mode: String,
    /// Why not a better one.
    pub why: Option<String>,
}

impl Ledger {
    /// Sum over CPUs of one column of the accounts of an interface and direction.
    pub fn sum(&self, interface: &str, direction: &str, of: impl Fn(&Account) -> Tally) -> Tally {
        let mine =
            |account: &&Account| account.interface == interface && account.direction == direction;
        self.accounts.iter().filter(mine).map(of).sum()
    }

    /// What was seen on an interface in a direction.
    #[must_use]
    pub fn seen(&self, interface: &str, direction: &str) -> Tally {
        self.sum(interface, direction, |account| account.seen)
    }

    /// Panics unless each account balances by its own numbers, and says so itself.
    pub fn assert_balanced(&self) {
        for account in &self.accounts {
            let Account { seen, flows, overflow, unread, .. } = *account;
            assert_eq!([flows, overflow, unread].into_iter().sum::<Tally>(), seen, "{account:?}");
            assert_eq!(account.difference, Difference::default(), "{account:?}");
            assert!(account.balanced, "{account:?}");
        }
        assert!(self.balanced, "{self:?}");
        assert_eq!(self.unplaced, Tally::default());
    }
}

/// The series of a scrape.
#[derive(Clone, Debug)]
pub struct Metrics(Vec<Series>);

#[derive(Clone, Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Sum of the series of a family that have all these labels.
    ///
    /// # Errors
    /// When there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        Ok(self.values(name, labels)?.iter().sum())
    }

    /// The series of a family that have all these labels.
    ///
    /// # Errors
    /// When there is none.
    pub fn values(&self, name: &str, labels: &[(&str, &str)]) -> Result<Vec<f64>> {
        let fits = |series: &&Series| {
            series.name == name
                && labels.iter().all(|(label, value)| {
                    series.labels.get(*label).is_some_and(|found| found == value)
                })
        };
        let found: Vec<_> = self.0.iter().filter(fits).map(|series| series.value).collect();
        ensure!(!found.is_empty(), "no series {name} {labels:?}");
        Ok(found)
    }

    /// The text format, as far as Wireledger writes it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = lines.map(|line| Series::read(line).with_context(|| line.to_owned()));
        Ok(Self(series.collect::<Result<_>>()?))
    }
}

impl Series {
    /// The text format, for label values without quotes, commas and escapes in them.
    fn read(line: &str) -> Result<Self> {
        let (id, value) = line.rsplit_once(' ').context("a line without a value")?;
        let (name, labels) = id.split_once('{').unwrap_or((id, "}"));
        let labels = labels.strip_suffix('}').context("labels without an end")?;
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once('=').context("a label without a value")?;
            Ok((name.to_owned(), value.trim_matches('"').to_owned()))
        });
        Ok(Self {
            name: name.to_owned(),
            labels: labels.collect::<Result<_>>()?,
            value: value.parse().context("reading a value")?,
        })
    }
}
