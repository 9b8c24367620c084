//! What somebody asks of a capture session, in the words of the API and the command line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wireledger_common::abi::sample::{self, MOST_SNAP};

/// Bytes that hold the headers of a packet: the most that a session gets unless payload is allowed.
pub const HEADERS: u32 = 128;

/// Bytes of a [`Request::holder`].
const LONGEST_HOLDER: usize = 128;

/// Query of `GET /api/v1/capture`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Names of watched interfaces, or patterns of names, with commas between; empty = all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interface: String,
    /// An expression of the tcpdump language, or a classic program as `tcpdump -ddd` prints it; empty = every packet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// Which directions.
    pub direction: Way,
    /// Bytes of each packet; 0 = as many as are allowed.
    pub snaplen: u32,
    /// End after this many packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// End before there are more than this many bytes of packets, as captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// At most this many packets a second, a tenth of them at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// One of every so many, at a random place among them.
    pub every: u32,
    /// Only the first so many packets of each flow, as this CPU's flow table counts them; packets without a flow entry are first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// End after this many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Who asks; shown to whoever finds the table full.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub holder: String,
}

/// Directions, in tcpdump's words.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Into the host.
    In,
    /// Out of it.
    Out,
    /// Both.
    #[default]
    Inout,
}

impl Way {
    /// Includes ingress.
    #[must_use]
    pub const fn ingress(self) -> bool {
        !matches!(self, Self::Out)
    }

    /// Includes egress.
    #[must_use]
    pub const fn egress(self) -> bool {
        !matches!(self, Self::In)
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            interface: String::new(),
            filter: String::new(),
            direction: Way::default(),
            snaplen: 0,
            count: None,
            bytes: None,
            rate: None,
            every: 1,
            first: None,
            duration: None,
            holder: String::new(),
        }
    }
}

/// A request that cannot be met.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// Nothing would ever be delivered.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// No time to wait for.
    #[error("duration must be a number of seconds above 0, at most 10 years")]
    Duration,
    /// A holder that a table cannot show.
    #[error("holder must be at most 128 bytes without control characters")]
    Holder,
    /// More than a second has nanoseconds.
    #[error("rate must be at most 1000000000 packets a second")]
    Rate,
}

/// What the daemon grants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Longest snap length, bytes.
    pub snap: u32,
}

impl Terms {
    /// Headers only, unless payload is allowed.
    #[must_use]
    pub const fn new(allow_payload: bool) -> Self {
        Self { snap: if allow_payload { MOST_SNAP } else { HEADERS } }
    }
}

impl Request {
    /// The interfaces that are named; none = all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.interface.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// How long the session may last.
    ///
    /// # Errors
    /// When that is no time.
    pub fn time(&self) -> Result<Option<Duration>, Invalid> {
        const TEN_YEARS: f64 = 315_360_000.0;
        match self.duration {
            None => Ok(None),
            Some(seconds) if seconds > 0.0 && seconds <= TEN_YEARS => {
                Ok(Some(Duration::from_secs_f64(seconds)))
            }
            Some(_) => Err(Invalid::Duration),
        }
    }

    /// The same in the kernel's words, for session `id`.
    ///
    /// # Errors
    /// When nothing would ever be delivered.
    pub fn session(&self, id: u64, terms: Terms) -> Result<sample::Session, Invalid> {
        let at_least_one = |name, value: Option<u64>| match value {
            Some(0) => Err(Invalid::Zero(name)),
            other => Ok(other.unwrap_or(u64::MAX)),
        };
        if self.every == 0 {
            return Err(Invalid::Zero("every"));
        }
        self.time()?;
        if self.holder.len() > LONGEST_HOLDER || self.holder.contains(char::is_control) {
            return Err(Invalid::Holder);
        }
        let (interval, burst) = self.rate.map_or(Ok((0, 0)), pace)?;
        let snap = if self.snaplen == 0 { terms.snap } else { self.snaplen.min(terms.snap) };
        Ok(sample::Session {
            id,
            packets: at_least_one("count", self.count)?,
            bytes: at_least_one("bytes", self.bytes)?,
            first: at_least_one("first", self.first)?,
            interval,
            burst,
            every: self.every,
            snap,
        })
    }
}

/// Nanoseconds from packet to packet, and how far ahead of that they may come: a tenth of a second's packets may come at once.
fn pace(rate: u32) -> Result<(u64, u64), Invalid> {
    const SECOND: u64 = 1_000_000_000;
    match u64::from(rate) {
        0 => Err(Invalid::Zero("rate")),
        rate @ 1..=SECOND => {
            let interval = SECOND.div_ceil(rate);
            Ok((interval, interval * (rate / 10).saturating_sub(1)))
        }
        _ => Err(Invalid::Rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(request: &Request) -> Result<sample::Session, Invalid> {
        request.session(1, Terms::new(false))
    }

    #[test]
    fn nothing_asked_for_is_everything_but_payload() {
        let session = session(&Request::default()).expect("the default is valid");
        assert_eq!((session.packets, session.bytes, session.first), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!((session.interval, session.every, session.snap), (0, 1, HEADERS));
    }

    #[test]
    fn snap_lengths_stay_within_the_terms() {
        let request = |snaplen| Request { snaplen, ..Request::default() };
        assert_eq!(session(&request(64)).map(|session| session.snap), Ok(64));
        assert_eq!(session(&request(1500)).map(|session| session.snap), Ok(HEADERS));
        let allowed = request(1500).session(1, Terms::new(true));
        assert_eq!(allowed.map(|session| session.snap), Ok(1500));
        let most = request(0).session(1, Terms::new(true));
        assert_eq!(most.map(|session| session.snap), Ok(MOST_SNAP));
    }

    #[test]
    fn what_delivers_nothing_is_refused() {
        let base = Request::default;
        for (name, request) in [
            ("count", Request { count: Some(0), ..base() }),
            ("bytes", Request { bytes: Some(0), ..base() }),
            ("first", Request { first: Some(0), ..base() }),
            ("rate", Request { rate: Some(0), ..base() }),
            ("every", Request { every: 0, ..base() }),
        ] {
            assert_eq!(session(&request), Err(Invalid::Zero(name)));
        }
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let request = Request { duration: Some(seconds), ..base() };
            assert_eq!(session(&request), Err(Invalid::Duration));
        }
    }

    #[test]
    fn a_rate_lets_a_tenth_of_a_second_come_at_once() {
        assert_eq!(pace(1), Ok((1_000_000_000, 0)));
        assert_eq!(pace(1000), Ok((1_000_000, 99_000_000)));
    }
}
