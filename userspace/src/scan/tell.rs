//! A verdict in words: what the scan is called, how sure that is, and why.

use super::{
    pairs::Pairs,
    ports::PortSet,
    probe::{Class, Outcome},
    settings::Thresholds,
    suspect::{Suspect, way},
    track::Track,
    verdict::{Confidence, Kind, OpenPorts, Ports, Shape, Tag, Targets, Verdict},
};

const SECOND: u64 = 1_000_000_000;

/// What a verdict is told from.
pub(super) struct Telling<'s> {
    pub(super) id: u64,
    /// Sources and their tracks, one at least.
    pub(super) members: &'s [(&'s Suspect, &'s Track)],
    pub(super) thresholds: &'s Thresholds,
    /// The source is being tried out as a zombie.
    pub(super) tried_out: bool,
}

/// Tells it.
pub(super) fn verdict(telling: &Telling<'_>) -> Verdict {
    let (suspect, track) = telling.members[0];
    let (kind, kind_is_sure, why) = name(suspect, track);
    let parts = parts(telling);
    let ports = ports(telling, kind);
    let sum = |count: fn(&Track) -> u64| parts.iter().map(|track| count(track)).sum::<u64>();
    let largest = telling.members.iter().map(|(_, track)| track.probed.len()).max();
    let mut reasons = vec![amount(suspect, track, kind)];
    reasons.extend(why);
    let tags = tags(telling, kind, &mut reasons);
    Verdict {
        id: telling.id,
        kind,
        shape: track.shape.unwrap_or(Shape::PortScan),
        interface: suspect.source.interface,
        egress: suspect.source.kind & wireledger_common::abi::flow::EGRESS != 0,
        sources: telling.members.iter().map(|(suspect, _)| suspect.source.address()).collect(),
        targets: Targets {
            count: track.probed.targets.len(),
            examples: track.examples.iter().map(|(_, address)| *address).collect(),
        },
        ports: Ports { count: ports.len(), ranges: ports.ranges() },
        open_ports: open_ports(telling),
        pairs: largest.unwrap_or_default(),
        attempts: sum(|track| track.attempts),
        packets: sum(|track| track.packets),
        first_seen: parts.iter().map(|track| track.first).min().unwrap_or_default(),
        last_seen: parts.iter().map(|track| track.last).max().unwrap_or_default(),
        confidence: confidence(telling, kind, kind_is_sure),
        tags,
        reasons,
    }
}

/// Every track that the verdict is of; a ping sweep's TCP and UDP probes are in tracks of their own.
fn parts<'s>(telling: &Telling<'s>) -> Vec<&'s Track> {
    let mut parts: Vec<_> = telling.members.iter().map(|(_, track)| *track).collect();
    let (suspect, track) = telling.members[0];
    if track.class == Class::Ping {
        let asks = |class| matches!(class, Class::Syn | Class::Ack | Class::Udp);
        let others = suspect.tracks.iter();
        parts.extend(others.filter(|other| asks(other.class) && other.case.is_none()));
    }
    parts
}

fn ports(telling: &Telling<'_>, kind: Kind) -> PortSet {
    let mut ports = PortSet::default();
    let (suspect, track) = telling.members[0];
    match kind {
        Kind::IdleZombie => ports.extend(track.near_ports.known().iter().copied()),
        Kind::IpProtocol => {
            let used = (0..256_u16).filter(|number| {
                suspect.protocols[usize::from(number / 64)] >> (number % 64) & 1 != 0
            });
            ports.extend(used);
        }
        _ => {
            let tracks = parts(telling).into_iter().filter(|track| track.class != Class::Ping);
            tracks.for_each(|track| ports.extend(track.probed.ports.iter()));
        }
    }
    ports
}

fn open_ports(telling: &Telling<'_>) -> OpenPorts {
    let mut open = OpenPorts::default();
    for track in parts(telling).into_iter().filter(|track| track.class != Class::Ping) {
        open.count = open.count.max(track.answered.len());
        open.examples.extend(track.open.iter().copied());
    }
    open.examples.sort_unstable();
    open.examples.dedup();
    open.count = open.count.max(open.examples.len() as u64);
    open
}

/// The kind, whether nothing else fits, and why.
fn name(suspect: &Suspect, track: &Track) -> (Kind, bool, Vec<String>) {
    let flags = |what: &str| vec![format!("{what} begins no connection")];
    match track.class {
        Class::Syn => syn(track),
        Class::Fin => (Kind::Fin, true, flags("FIN alone")),
        Class::Null => (Kind::Null, true, flags("TCP without any flag")),
        Class::Xmas => (Kind::Xmas, true, flags("FIN, PSH and URG together")),
        Class::Maimon => (Kind::Maimon, true, flags("FIN and ACK as the first packet")),
        Class::Ack if track.shape == Some(Shape::HostSweep) => {
            let why = "one ACK to the same port of many hosts: who is there resets it".to_owned();
            (Kind::PingSweep, false, vec![why])
        }
        Class::Ack => (
            Kind::Ack,
            true,
            vec![
                "a lone ACK begins no connection; nmap's ACK and window scans send the same".into(),
            ],
        ),
        Class::Odd => (Kind::OddFlags, true, flags("such a set of TCP flags")),
        Class::Fragment => fragments(track),
        Class::SynAck => zombie(track),
        Class::Udp => (Kind::Udp, true, Vec::new()),
        Class::SctpInit => (
            Kind::SctpInit,
            false,
            vec!["by their length the probes have room for an INIT chunk".into()],
        ),
        Class::SctpCookie => (
            Kind::SctpCookieEcho,
            false,
            vec!["by their length the probes are too short for an INIT chunk".into()],
        ),
        Class::Protocol => (Kind::IpProtocol, true, Vec::new()),
        Class::Ping => (Kind::PingSweep, ping_is_sure(suspect), ping(suspect)),
    }
}

/// SYN or connect.
fn syn(track: &Track) -> (Kind, bool, Vec<String>) {
    let [completed, half_open, refused, silent] = track.outcomes;
    let bare = track.bare * 2 > track.attempts;
    // What was completed was not by these, but by who connects there as well.
    let made = half_open > 0 && track.bare * 2 > half_open + refused + silent;
    if half_open > completed || made {
        let why = "ports that answered were left half open: no handshake was completed there";
        return (Kind::Syn, true, vec![why.into()]);
    }
    if completed > 0 {
        let why = format!("handshakes were completed where a port was open: {completed}");
        return (Kind::Connect, true, vec![why]);
    }
    if track.has_few_ports() {
        let count = track.near_ports.known().len();
        let why = format!("all SYNs come from {count} source port{}", plural(count as u64));
        return (Kind::Syn, true, vec![why]);
    }
    if bare {
        let why = "the SYNs lack the options that operating systems send";
        return (Kind::Syn, false, vec![why.into()]);
    }
    let why = "no port was open; each SYN comes from a port of its own, as connect() sends them";
    (Kind::Connect, false, vec![why.into()])
}

fn fragments(track: &Track) -> (Kind, bool, Vec<String>) {
    let why = "the first fragments end before the TCP flags".to_owned();
    if track.answered.len() > 0 {
        let said = "open ports answered with SYN/ACK, so the flags were SYN".to_owned();
        return (Kind::Syn, true, vec![why, said]);
    }
    let said = "nothing answered that would tell which flags they were".to_owned();
    (Kind::Fragmented, true, vec![why, said])
}

fn zombie(track: &Track) -> (Kind, bool, Vec<String>) {
    let resets = track.outcomes[Outcome::Refused as usize];
    let why = vec![
        format!("nobody asked for these SYN/ACKs, and {resets} of {} were reset", track.attempts),
        "each comes from another port, to watch how the IP identification of the resets grows"
            .into(),
    ];
    (Kind::IdleZombie, false, why)
}

fn ping(suspect: &Suspect) -> Vec<String> {
    let used = way::NAMES.iter().filter(|(way, _)| suspect.ways & way != 0);
    let names: Vec<_> = used.map(|(_, name)| *name).collect();
    vec![format!("asked by {}", names.join(", "))]
}

const fn ping_is_sure(suspect: &Suspect) -> bool {
    (suspect.ways & !way::ECHO).count_ones() >= 2
}

/// What it has gone through, and with which success.
fn amount(suspect: &Suspect, track: &Track, kind: Kind) -> String {
    let Pairs { ports, targets, .. } = &track.probed;
    let (ports, targets) = (ports.len(), targets.len());
    let what = match (kind, track.shape) {
        (Kind::IdleZombie, _) => {
            return format!("{} SYN/ACKs from {ports} ports", track.attempts);
        }
        (Kind::PingSweep, _) => {
            return format!("{targets} host{} asked whether they are there", plural(targets));
        }
        (Kind::IpProtocol, _) => {
            let used: u32 = suspect.protocols.iter().map(|word| word.count_ones()).sum();
            format!("{used} protocols")
        }
        (_, Some(Shape::HostSweep)) => {
            format!("{ports} port{} of {targets} hosts", plural(ports))
        }
        _ => format!("{ports} ports of {targets} host{}", plural(targets)),
    };
    let [completed, half_open, refused, silent] = track.outcomes;
    let mut came = Vec::new();
    for (count, how) in [
        (completed, "answered"),
        (half_open, "half open"),
        (refused, "refused"),
        (silent, "without an answer"),
    ] {
        if count > 0 {
            came.push(format!("{count} {how}"));
        }
    }
    let told = if suspect.was_told { "; ICMP unreachables came back" } else { "" };
    format!("{what}; of {} attempts {}{told}", track.attempts, came.join(", "))
}

fn tags(telling: &Telling<'_>, kind: Kind, reasons: &mut Vec<String>) -> Vec<Tag> {
    let (_, track) = telling.members[0];
    let mut tags = Vec::new();
    if let Some((is_slow, why)) = pace(track) {
        tags.extend(is_slow.then_some(Tag::Slow));
        reasons.push(why);
    }
    if track.in_fragments * 2 > track.attempts {
        tags.push(Tag::Fragmented);
        reasons.push("the probes come in IP fragments".into());
    }
    let sources = telling.members.len();
    if sources > 1 {
        tags.push(Tag::Decoys);
        reasons.push(format!(
            "{sources} sources asked the same in the same order: decoys, and one of them may be real, or several that \
             work together"
        ));
    }
    if track.odd * 2 > track.attempts {
        tags.push(Tag::OddFlags);
        reasons.push("the SYNs have flags that do not belong to them".into());
    }
    let from_service =
        track.near_ports.is_within(2) && track.near_ports.known().iter().all(|&port| port < 1024);
    if from_service && matches!(kind, Kind::Syn | Kind::Fragmented | Kind::Udp) {
        tags.push(Tag::FromServicePort);
        let port = track.near_ports.known()[0];
        reasons.push(format!("all come from port {port}, where services are, not clients"));
    }
    if kind == Kind::Syn && (telling.tried_out || (from_service && half_open(track))) {
        tags.push(Tag::MaybeZombie);
        reasons.push(zombie_reason(telling.tried_out).into());
    }
    tags
}

fn half_open(track: &Track) -> bool {
    track.outcomes[Outcome::HalfOpen as usize] > 0
}

const fn zombie_reason(tried_out: bool) -> &'static str {
    if tried_out {
        "the source is being tried out with SYN/ACKs meanwhile: it is likely the zombie of an idle scan, and who scans is \
         somebody else"
    } else {
        "the source may be the zombie of an idle scan: from its service's port, and it resets what is answered"
    }
}

/// The distance between probes where it is long, and whether it is slow: as nmap's timing templates wait.
fn pace(track: &Track) -> Option<(bool, String)> {
    const POLITE: u64 = 350 * SECOND / 1000;
    let distance = track.distance();
    // A host that limits its ICMP errors holds a UDP scan up to about one port a second.
    let slow = if track.class == Class::Udp { 2 * SECOND } else { SECOND };
    if distance < POLITE || track.probed.len() < 4 {
        return None;
    }
    let template = match distance {
        _ if distance < 10 * SECOND => "-T2 (polite)",
        _ if distance < 200 * SECOND => "-T1 (sneaky)",
        _ => "-T0 (paranoid)",
    };
    let seconds = distance as f64 / SECOND as f64;
    let why = format!("{seconds:.1} s between new probes on the mean, about as nmap {template}");
    Some((distance > slow, why))
}

fn confidence(telling: &Telling<'_>, kind: Kind, kind_is_sure: bool) -> Confidence {
    /// So many times the threshold is beyond doubt.
    const PLENTY: u64 = 3;
    let (_, track) = telling.members[0];
    let thresholds = telling.thresholds;
    let threshold = match track.class {
        class if class.is_ordinary() => thresholds.ports.min(thresholds.targets),
        Class::Protocol => thresholds.protocols,
        Class::Ping => thresholds.ping,
        _ => thresholds.stealth,
    };
    let plenty = track.failed().max(if kind == Kind::PingSweep { track.probed.len() } else { 0 })
        >= PLENTY * threshold;
    match (kind_is_sure, plenty) {
        (true, true) => Confidence::Certain,
        (false, false) => Confidence::Possible,
        _ => Confidence::Likely,
    }
}

const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
