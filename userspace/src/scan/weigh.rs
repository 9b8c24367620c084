//! Whether a track is a scan: enough different failures, most of what the source did (or did to a target), and on few
//! targets or few ports.

use wireledger_common::abi::flow::IPV6;

use super::{
    one_way::is_one_way,
    pairs::{Target, are_scattered, pair, parts},
    probe::{Class, Outcome},
    settings::Thresholds,
    suspect::Suspect,
    track::Track,
    verdict::Shape,
};

/// What a track is called a scan for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) shape: Shape,
    /// Of a source that does much else with success, the targets that it scans; empty otherwise.
    pub(super) targets: Vec<Target>,
}

impl From<Shape> for Found {
    fn from(shape: Shape) -> Self {
        Self { shape, targets: Vec::new() }
    }
}

/// What a pair's target and port have failed in all.
struct Failed<'t> {
    /// Sorted, so that targets stand together.
    pairs: Vec<u64>,
    ports: Vec<u16>,
    /// Fewest ports of a target, and targets of a port, that count.
    row: u64,
    column: u64,
    suspect: &'t Suspect,
    hash: &'t dyn Fn(Target) -> u64,
    class: Class,
}

/// What the track is called a scan for; `None` while it is none.
pub(super) fn weigh(
    track: &Track,
    suspect: &Suspect,
    thresholds: &Thresholds,
    hash: &dyn Fn(Target) -> u64,
) -> Option<Found> {
    match track.class {
        Class::Ping => return ping(track, suspect, thresholds).map(Found::from),
        Class::SynAck => return zombie(track, thresholds).map(Found::from),
        _ => {}
    }
    let (row, column) = match track.class {
        class if class.is_ordinary() => (thresholds.ports, thresholds.targets),
        Class::Protocol => (thresholds.protocols, u64::MAX),
        Class::Ack => (thresholds.stealth, thresholds.ping),
        _ => (thresholds.stealth, thresholds.stealth),
    };
    let all =
        track.probed.len() + if track.class.is_ordinary() { suspect.earlier_count } else { 0 };
    let failed = track.failed();
    if failed < row.min(column) || is_discovery(track, suspect) || suspect.is_down(track) {
        return None;
    }
    if !track.scanned.is_empty() || failed * 100 < all * thresholds.failed {
        return among_others(track, suspect, thresholds, hash);
    }
    let Some(pairs) = track.probed.list() else {
        let is_one = track.probed.targets.len() == 1 && failed >= row;
        return is_one.then_some(Shape::PortScan.into());
    };
    let shape = Failed::new(track, pairs, suspect, (row, column), hash)
        .shape(thresholds.concentrated, track.has_few_ports());
    shape.or_else(|| at_random(track, failed, all, row)).map(Found::from)
}

/// Random ports of random hosts, as masscan goes through a network: no host and no port has many of them, and no client
/// sends such packets.
fn at_random(track: &Track, failed: u64, all: u64, row: u64) -> Option<Shape> {
    const ROWS: u64 = 3;
    const OF_TEN: u64 = 9;
    let is_made = match track.class {
        Class::Syn => track.bare * 2 > track.attempts,
        Class::Udp | Class::SctpInit | Class::SctpCookie | Class::Protocol => false,
        class => !class.ends_connections() || track.has_few_ports(),
    };
    let is_one = is_made && failed >= row * ROWS && failed * 10 >= all * OF_TEN;
    is_one.then_some(Shape::Both)
}

/// It talked to the target with success, maybe before it was a suspect.
fn talked_to(suspect: &Suspect, target_hash: u64) -> bool {
    suspect.talks_to(target_hash) || suspect.earlier.has_target(target_hash)
}

/// The port scans of a source that does much else with success: targets most of whose ports failed, and most of the failures
/// theirs.
fn among_others(
    track: &Track,
    suspect: &Suspect,
    thresholds: &Thresholds,
    hash: &dyn Fn(Target) -> u64,
) -> Option<Found> {
    let completed = |target, ports: &[u64]| {
        let was_open =
            ports.iter().filter(|&&pair| track.completed.contains(target, parts(pair).1));
        was_open.count() as u64
    };
    // What it did before is known by its number alone: it may all have been done to a target that it talks to, until
    // as much has been seen to be something else.
    let unknown = suspect.earlier_count.saturating_sub(track.completed.len());
    let (mut targets, mut within) = (Vec::new(), 0);
    let only: Vec<_>;
    let pairs = match track.probed.list() {
        Some(pairs) => pairs,
        None => {
            let target = track.probed.targets.listed().next()?;
            only = track.probed.ports_of(target).map(|port| pair(target, port)).collect();
            &only
        }
    };
    for ports in pairs.chunk_by(|&a, &b| parts(a).0 == parts(b).0) {
        let target = parts(ports[0]).0;
        let failed = ports.len() as u64 - completed(target, ports);
        let unknown = if talked_to(suspect, hash(target)) { unknown } else { 0 };
        let all = ports.len() as u64 + unknown;
        if failed >= thresholds.ports && failed * 100 >= all * thresholds.failed {
            targets.push(target);
            within += failed;
        }
    }
    let is_one = !targets.is_empty() && within * 100 >= track.failed() * thresholds.concentrated;
    is_one.then_some(Found { shape: Shape::PortScan, targets })
}

impl<'t> Failed<'t> {
    fn new(
        track: &Track,
        pairs: &[u64],
        suspect: &'t Suspect,
        (row, column): (u64, u64),
        hash: &'t dyn Fn(Target) -> u64,
    ) -> Self {
        let failed = pairs.iter().copied().filter(|&pair| {
            let (target, port) = parts(pair);
            !track.completed.contains(target, port)
        });
        let pairs: Vec<_> = failed.collect();
        let mut failed =
            Self { pairs, ports: Vec::new(), row, column, suspect, hash, class: track.class };
        failed.column = failed.column_of(track);
        failed.ports = failed.swept_ports();
        failed
    }

    /// A client whose network is down asks servers here and there in vain, each from a port of its own. Who sweeps asks
    /// neighbours, or very many.
    fn column_of(&self, track: &Track) -> u64 {
        const VERY_MANY: u64 = 30;
        let asks = matches!(track.class, Class::Syn | Class::Udp);
        let like_a_client = asks && !track.has_few_ports() && track.bare * 2 <= track.attempts;
        let targets = self.rows().map(|row| parts(row[0]).0);
        if !like_a_client || !are_scattered(targets, self.suspect.source.kind & IPV6 != 0) {
            return self.column;
        }
        if track.class == Class::Udp || self.suspect.was_told {
            return u64::MAX;
        }
        self.column.saturating_mul(VERY_MANY)
    }

    /// Ports of enough targets that are not talked to.
    fn swept_ports(&self) -> Vec<u16> {
        if self.column == u64::MAX {
            return Vec::new();
        }
        let ordinary = self.class.is_ordinary();
        let mut ports = Vec::with_capacity(self.pairs.len());
        let (suspect, hash) = (self.suspect, |row: &[u64]| (self.hash)(parts(row[0]).0));
        let rows = || self.rows().filter(|row| !ordinary || !suspect.talks_to(hash(row)));
        let seems_earlier = |row: &&[u64]| ordinary && suspect.earlier.has_target(hash(row));
        // So many that it is no chance.
        let (all, seem) = (rows().count() as u64, rows().filter(seems_earlier).count() as u64);
        let leave = suspect.earlier.explain_targets(all, seem);
        for row in rows().filter(|row| !leave || !seems_earlier(row)) {
            ports.extend(row.iter().map(|&pair| parts(pair).1));
        }
        ports.sort_unstable();
        let columns = ports.chunk_by(|a, b| a == b);
        let swept = columns.filter(|column| column.len() as u64 >= self.column);
        let swept = swept.map(|column| column[0]);
        swept.filter(|port| self.class != Class::Udp || !is_one_way(*port)).collect()
    }

    fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.pairs.chunk_by(|&a, &b| parts(a).0 == parts(b).0)
    }

    fn shape(&self, concentrated: u64, few_source_ports: bool) -> Option<Shape> {
        // Idle connections end so, each from its own port.
        let ports: &[u16] =
            if self.class.ends_connections() && !few_source_ports { &[] } else { &self.ports };
        let (mut scanned, mut swept, mut within) = (0_u64, 0_u64, 0_u64);
        for row in self.rows() {
            let in_columns =
                row.iter().filter(|&&pair| ports.binary_search(&parts(pair).1).is_ok()).count();
            swept += in_columns as u64;
            let counts = row.len() as u64 >= self.row;
            scanned += u64::from(counts);
            within += if counts { row.len() } else { in_columns } as u64;
        }
        if within * 100 < self.pairs.len() as u64 * concentrated {
            return None;
        }
        match (scanned > 0, swept > 0) {
            (true, true) => Some(Shape::Both),
            (true, false) => Some(Shape::PortScan),
            (false, true) => Some(Shape::HostSweep),
            (false, false) => None,
        }
    }
}

/// One port of targets that are being pinged as well: part of a ping sweep.
fn is_discovery(track: &Track, suspect: &Suspect) -> bool {
    const PORTS: u64 = 1;
    let asks = matches!(track.class, Class::Syn | Class::Ack | Class::Udp);
    let pings = suspect.track(Class::Ping).filter(|pings| pings.shape.is_some());
    asks && pings.is_some_and(|pings| {
        track.probed.ports.len() <= PORTS
            && track.probed.targets.len() <= 2 * pings.probed.targets.len()
    })
}

fn ping(track: &Track, suspect: &Suspect, thresholds: &Thresholds) -> Option<Shape> {
    let sweeps = track.probed.targets.len() >= thresholds.ping;
    // Who scans a host's ports may ask as well what else it answers.
    let scans =
        suspect.tracks.iter().any(|other| other.class != Class::Ping && other.shape.is_some());
    let asks = suspect.methods() >= thresholds.methods && !scans;
    (sweeps || asks).then_some(Shape::HostSweep)
}

/// SYN/ACKs from changing ports to one of ours or two, most of which we reset.
fn zombie(track: &Track, thresholds: &Thresholds) -> Option<Shape> {
    const PORTS: u64 = 2;
    let resets = track.outcomes[Outcome::Refused as usize];
    let is_one = track.probed.len() >= thresholds.stealth
        && track.near_ports.is_within(PORTS)
        && resets * 2 >= track.attempts;
    // The port that it is tried out with.
    is_one.then_some(Shape::PortScan)
}

/// Whether two tracks asked the same in nearly the same order at the same time.
pub(super) fn is_alike(a: &Track, b: &Track) -> bool {
    /// Fewer say nothing of their order.
    const LEAST: usize = 8;
    /// How many of ten have to be near their place.
    const OF_TEN: usize = 8;
    let overlap = a.first <= b.last && b.first <= a.last;
    let length = a.order.len().min(b.order.len());
    if a.class != b.class || !overlap || length < LEAST {
        return false;
    }
    // Packets overtake each other.
    let distance = 1 + length / 16;
    let near = (0..length).filter(|&at| {
        let around = at.saturating_sub(distance)..(at + distance + 1).min(b.order.len());
        b.order[around].contains(&a.order[at])
    });
    near.count() * 10 >= length * OF_TEN
}
