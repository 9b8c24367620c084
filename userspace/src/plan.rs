//! What the user wants, checked: sizes bounded, times sane, patterns well-formed. No kernel, no IO.

mod change;
mod listen;
mod scans;

pub use change::{Change, Fixed};
pub use listen::{Listen, telemetry_path};
pub use scans::{EvidenceFolder, Scans};

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use crate::{metrics::Collectors, naming::Names};

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Interfaces to watch.
    pub patterns: Vec<Pattern>,
    /// Which hook for ingress.
    pub mode: Mode,
    /// Which directions.
    pub directions: Directions,
    /// Memory of the flow table over all CPUs.
    pub flow_memory: Bytes,
    /// Memory of the ring of ended flows; a power of two of at least a page.
    pub record_memory: Bytes,
    /// Memory of the ring of samples; a power of two of at least a page.
    pub sample_memory: Bytes,
    /// Samples may have more than headers.
    pub allow_payload: bool,
    /// The always-on sampler takes one of every so many packets.
    pub sample_every: Option<u32>,
    /// Memory of the flight recorder, which keeps what the sampler takes.
    pub recorder: Bytes,
    /// Interfaces that can be watched at once.
    pub max_interfaces: u32,
    /// Silence that ends a flow.
    pub idle_timeout: Duration,
    /// Life after which a flow is told.
    pub active_timeout: Duration,
    /// Silence after which a full bucket may give a flow's slot away.
    pub evict_after: Duration,
    /// Flows are those inside tunnels.
    pub decap: bool,
    /// What is called a scan or a flood, and where evidence of it goes.
    pub scans: Scans,
    /// How much metrics may say.
    pub metrics: Metrics,
    /// Where to serve, and whom; nowhere for a command that watches for itself alone.
    pub serve: Option<Serve>,
    /// What `/metrics` tells, and to how many at once.
    pub exposition: Exposition,
    /// Level of the probe's own diagnostics, 0 = off.
    pub probe_log_level: u8,
}

/// How much metrics may say, and by what names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metrics {
    /// Series of a scrape, at most.
    pub max_series: usize,
    /// Entries of each table of those who talk most, at most.
    pub top: usize,
    /// What addresses and ports are called.
    pub names: Arc<Names>,
}

impl Metrics {
    /// Series of a scrape unless the user says otherwise.
    pub const MAX_SERIES: usize = 5000;
    /// Entries of a table unless the user says otherwise.
    pub const TOP: usize = 500;

    /// For a command that shows none: only totals are kept.
    #[must_use]
    pub fn none() -> Self {
        Self { max_series: 0, top: 0, names: Arc::default() }
    }
}

/// Where to serve, and whom.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Metrics and the API.
    pub listen: Vec<Listen>,
    /// On the sockets that systemd opened, instead.
    pub inherit: bool,
    /// The path of metrics.
    pub telemetry_path: String,
    /// TLS, passwords, headers and the rate limit of TCP listeners.
    pub web_config: Option<PathBuf>,
    /// A request may reload the configuration.
    pub lifecycle: bool,
    /// Who of those that come to these listeners may capture packets.
    pub web_capture: WebCapture,
    /// The API over a unix socket, whose file says who may capture packets.
    pub socket: Option<Socket>,
}

/// What `/metrics` tells, and to how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Exposition {
    /// The collectors that are on.
    pub collectors: Collectors,
    /// Scrapes that are answered at once; 0 for as many as come.
    pub max_requests: usize,
}

impl Exposition {
    /// As many as the libraries of Prometheus take.
    pub const MAX_REQUESTS: usize = 40;
}

impl Default for Exposition {
    fn default() -> Self {
        Self { collectors: Collectors::ALL, max_requests: Self::MAX_REQUESTS }
    }
}

impl Serve {
    /// The path of metrics unless the user says otherwise.
    pub const TELEMETRY: &str = "/metrics";

    /// Metrics and the API at `listen`, for everybody, and captures for nobody.
    #[must_use]
    pub fn at(listen: Vec<Listen>) -> Self {
        Self {
            listen,
            inherit: false,
            telemetry_path: Self::TELEMETRY.to_owned(),
            web_config: None,
            lifecycle: false,
            web_capture: WebCapture::default(),
            socket: None,
        }
    }
}

/// Who may capture packets over the web's listeners.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum WebCapture {
    /// Nobody.
    #[default]
    Nobody,
    /// Everybody.
    Everybody,
    /// Whoever has the token that is in this file.
    Bearers(PathBuf),
}

/// The unix socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Its file.
    pub path: PathBuf,
    /// The group that may use it, by name or number; the process's own if none.
    pub group: Option<String>,
    /// The user named the path: a run without the socket is none.
    pub required: bool,
}

impl Socket {
    /// Where the socket is unless the user says otherwise.
    pub const DEFAULT: &str = "/run/wireledger/wireledger.sock";

    /// From what the user gave: a path, `none` or nothing for no socket.
    #[must_use]
    pub fn chosen(path: Option<&str>, group: Option<String>) -> Option<Self> {
        match path {
            Some("" | "none") => None,
            Some(path) => Some(Self { path: path.into(), group, required: true }),
            None => Some(Self { path: Self::DEFAULT.into(), group, required: false }),
        }
    }
}

/// Which hook the user wants for ingress.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Mode {
    /// XDP in the driver, else TC, saying why.
    #[default]
    Auto,
    /// XDP in the driver, or nothing.
    Native,
    /// XDP behind the driver: slower for the host, works everywhere.
    Generic,
    /// TC.
    Tc,
}

/// Directions to watch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Directions {
    /// Ingress and egress.
    #[default]
    Both,
    /// Ingress alone.
    Ingress,
    /// Egress alone.
    Egress,
}

impl Directions {
    /// Includes ingress.
    #[must_use]
    pub const fn ingress(self) -> bool {
        !matches!(self, Self::Egress)
    }

    /// Includes egress.
    #[must_use]
    pub const fn egress(self) -> bool {
        !matches!(self, Self::Ingress)
    }
}

/// An interface name, or a pattern with `*`, `?` and `[…]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(String);

impl Pattern {
    /// A name rather than a pattern.
    #[must_use]
    pub fn is_name(&self) -> bool {
        !self.0.contains(['*', '?', '['])
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names this interface.
    #[must_use]
    pub fn matches(&self, interface: &str) -> bool {
        if self.is_name() {
            self.0 == interface
        } else {
            glob_match::glob_match(&self.0, interface)
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// Linux's IFNAMSIZ without the final zero.
        const LONGEST: usize = 15;
        let pattern = Self(text.to_owned());
        if text.is_empty() || text.contains(['/', ' ']) {
            return Err("an interface name is not empty and has no slash or space".to_owned());
        }
        if pattern.is_name() && text.len() > LONGEST {
            return Err(format!("an interface name has at most {LONGEST} characters"));
        }
        Ok(pattern)
    }
}

/// A size in memory: a number with an optional unit, `65536`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let help = || format!("{text:?} is no size; write a whole number and a unit, as in 64MiB");
        let number: u64 = number.parse().map_err(|_| help())?;
        let unit: u64 = match unit {
            "" | "B" => 1,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(help()),
        };
        number.checked_mul(unit).map(Self).ok_or_else(|| format!("{text} is beyond 64 bits"))
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(bytes) = *self;
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if bytes >= 1 << shift && bytes.trailing_zeros() >= shift - 4 {
                return write!(f, "{}{unit}", bytes as f64 / f64::from(1u32 << shift));
            }
        }
        write!(f, "{bytes}B")
    }
}

/// The flow table's memory: at least a page, at most a terabyte.
///
/// # Errors
/// The bound that is broken.
pub fn flow_memory(text: &str) -> Result<Bytes, String> {
    between(text.parse()?, Bytes(4 << 10), Bytes(1 << 40))
}

/// A ring's memory: a power of two from a page to a gigabyte, as the kernel wants it.
///
/// # Errors
/// The bound that is broken.
pub fn ring_memory(text: &str) -> Result<Bytes, String> {
    let bytes = between(text.parse()?, Bytes(4 << 10), Bytes(1 << 30))?;
    if bytes.0.is_power_of_two() {
        Ok(bytes)
    } else {
        let next = Bytes(bytes.0.next_power_of_two());
        Err(format!("the kernel wants a power of two: {next}, say"))
    }
}

/// The flight recorder's memory: at least a page, at most a terabyte.
///
/// # Errors
/// The bound that is broken.
pub fn recorder(text: &str) -> Result<Bytes, String> {
    between(text.parse()?, Bytes(4 << 10), Bytes(1 << 40))
}

/// The bytes of all evidence: at least enough for eight files with some packets each, at most a terabyte.
///
/// # Errors
/// The bound that is broken.
pub fn evidence_size(text: &str) -> Result<Bytes, String> {
    between(text.parse()?, Bytes(64 << 10), Bytes(1 << 40))
}

fn between(bytes: Bytes, least: Bytes, most: Bytes) -> Result<Bytes, String> {
    if bytes < least {
        Err(format!("at least {least}"))
    } else if bytes > most {
        Err(format!("at most {most}"))
    } else {
        Ok(bytes)
    }
}

/// A length of time from a millisecond to twenty days, which the 32-bit clock of the table can tell apart.
///
/// # Errors
/// The bound that is broken, or what is no time.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 500ms, 30s, 5m"))?;
    if time < Duration::from_millis(1) {
        return Err("at least 1ms".to_owned());
    }
    if time > Duration::from_secs(20 * 24 * 3600) {
        return Err("at most 20days".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("65536", 65536), ("64KiB", 65536), ("1M", 1 << 20), ("2GB", 2_000_000_000)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "64 MiB", "1TiB", "99999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_print_as_they_are_written() {
        for text in ["64MiB", "4KiB", "1.5GiB", "100B"] {
            let bytes = if text == "1.5GiB" { Bytes(3 << 29) } else { text.parse().expect(text) };
            assert_eq!(bytes.to_string(), text);
        }
    }

    #[test]
    fn bounds_say_what_is_allowed() {
        assert_eq!(flow_memory("1KiB"), Err("at least 4KiB".to_owned()));
        assert_eq!(
            ring_memory("5000"),
            Err("the kernel wants a power of two: 8KiB, say".to_owned())
        );
        assert_eq!(time("0s"), Err("at least 1ms".to_owned()));
        assert!(time("soon").is_err_and(|error| error.contains("as in 500ms")));
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn a_socket_that_is_named_must_be_there() {
        let default = Socket::chosen(None, None).expect("there is a default");
        assert!(!default.required && default.path.as_os_str() == Socket::DEFAULT);
        let named = Socket::chosen(Some("/tmp/s"), Some("adm".into())).expect("a path");
        assert!(named.required && named.group.as_deref() == Some("adm"));
        assert_eq!(Socket::chosen(Some("none"), None), None);
        assert_eq!(Socket::chosen(Some(""), None), None);
    }

    #[test]
    fn a_name_matches_itself_and_a_pattern_its_kind() {
        let eth: Pattern = "eth*".parse().expect("a pattern");
        assert!(!eth.is_name() && eth.matches("eth0") && !eth.matches("veth0"));
        let name: Pattern = "eth0".parse().expect("a name");
        assert!(name.is_name() && name.matches("eth0") && !name.matches("eth01"));
        assert!("a-name-far-too-long".parse::<Pattern>().is_err());
        assert!("".parse::<Pattern>().is_err());
    }
}
