//! Whether so many packets are a flood: whether they are one-sided, and meant for few.

mod syn;
mod udp;

use hashbrown::DefaultHashBuilder;

use super::{
    Confidence, Kind,
    measure::Measure,
    rates::scale,
    usual::Usual,
    who::{Counts, Party, Who, sum},
    window::Window,
};

/// Rate, in floors, from which on it is no matter how few the flows or how many the ports of a host are.
const STREAM: f64 = 10.0;
/// Rate, in floors, from which on requests that are all answered are too many for a tool's flooding ping.
const PING: f64 = 10.0;
/// Packets to one host from which on no scan of its ports needs as many: all of them, twice.
const SCAN: u64 = 2 << 16;

/// Whose packets are judged, and what stands beside them.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    /// Packets a second, and times what is usual: see [`super::Thresholds`].
    pub(super) floor: f64,
    pub(super) factor: f64,
    pub(super) interface: u32,
    pub(super) egress: bool,
    pub(super) hasher: &'a DefaultHashBuilder,
    /// It is known that answers can be seen.
    pub(super) sees: bool,
    pub(super) answers: &'a Counts,
    pub(super) mirrored: Option<&'a Counts>,
    pub(super) refusals: &'a Counts,
    pub(super) counter_refusals: &'a Counts,
}

/// What there is to judge.
pub(super) struct Case<'a> {
    /// The second that was above the level and those behind it.
    pub(super) window: &'a Window,
    /// The highest rate of one.
    pub(super) rate: f64,
    pub(super) place: &'a Place<'a>,
    pub(super) usual: &'a Usual,
    /// Handshakes that complete.
    pub(super) served: &'a Usual,
    pub(super) who: &'a Who,
}

/// Why it is a flood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) confidence: Confidence,
    pub(super) reasons: Vec<String>,
    /// It is meant for ports rather than hosts.
    pub(super) ports: bool,
}

impl Case<'_> {
    /// A finding, or nothing where the traffic may be ordinary.
    pub(super) fn judge(&self) -> Option<Finding> {
        let kind = self.place.kind;
        let mut finding = match kind {
            Kind::SynFlood => self.syn(),
            Kind::UdpFlood => self.udp(),
            Kind::IcmpFlood => self.icmp(),
            Kind::Backscatter => self.backscatter(),
        }?;
        if kind != Kind::Backscatter && self.who.is_scattered() {
            finding.reasons.push(format!(
                "{} sources, none of which stands out: spoofed, or very many hosts",
                self.who.distinct()
            ));
        }
        if self.usual.is_known() {
            finding.reasons.push(format!("usual are {:.0} a second", self.usual.rate()));
        }
        Some(finding)
    }

    const fn measure(&self) -> &Measure {
        &self.window.measure
    }

    /// Answers are not seen.
    const fn is_blind(&self) -> bool {
        self.measure().rates.handshakes.is_none()
    }

    /// It comes so fast that its shape is no matter.
    fn is_heavy(&self) -> bool {
        self.rate >= STREAM * self.place.floor
    }

    fn answers_of(&self, party: &Party) -> u64 {
        let of = |counts: &Counts| counts.most(self.place.hasher, &party.0);
        of(self.place.answers).max(self.place.mirrored.map_or(0, of))
    }

    /// Whether these parties have at least half of what is one-sided, when all of the rest is theirs.
    fn is_most(&self, parties: &[Party], one_sided: u64, all: u64) -> bool {
        // Not every packet was noted.
        let theirs = scale(sum(parties), all, self.who.packets);
        theirs >= all.saturating_sub(one_sided) + one_sided.div_ceil(2)
    }

    fn icmp(&self) -> Option<Finding> {
        let Measure { requests, answered, .. } = *self.measure();
        let heavy = self.who.heavy_hosts();
        if sum(&heavy) * 2 < self.who.packets {
            return None;
        }
        let hosts = if heavy.len() == 1 { "one host" } else { "few hosts" };
        let mut reasons = vec![format!("{requests} ICMP requests to {hosts}")];
        let confidence = if answered * 2 >= requests && self.rate < PING * self.place.floor {
            reasons.push(format!("{answered} were answered: ping -f looks the same"));
            Confidence::Possible
        } else {
            Confidence::Likely
        };
        Some(Finding { confidence, reasons, ports: false })
    }

    fn backscatter(&self) -> Option<Finding> {
        let who = self.who;
        let unasked = self.measure().unasked;
        let (all, one_sided) = (who.packets, unasked.sum().min(who.packets));
        let most = |parties: &[Party]| self.is_most(parties, one_sided, all);
        let mut reasons = vec![format!(
            "{} SYN-ACKs and RSTs, {} echo replies and {} ICMP errors that nobody here asked for",
            unasked.answers, unasked.replies, unasked.errors
        )];
        let of_tcp = unasked.answers * 2 >= unasked.sum();
        let mut ports = of_tcp;
        if of_tcp && most(&who.heavy_targets()) {
            // One port: a reflection is meant for it, or somebody has us count (an idle scan).
            if !who.is_scattered() {
                return None;
            }
        } else if most(&who.heavy_sources()) {
            reasons.push(
                "somebody floods their sources and gives addresses of this network as its own"
                    .into(),
            );
            ports = false;
        }
        if reasons.len() == 1 {
            if !(who.is_scattered() && most(&who.heavy_hosts())) {
                return None;
            }
            reasons.push(format!(
                "from {} hosts: somebody asks many with the target's address, so that their answers flood it",
                who.distinct()
            ));
        }
        let mut confidence = Confidence::Likely;
        if self.is_blind() {
            confidence = Confidence::Possible;
            reasons.push(
                "questions that leave another way are not seen here: their answers look the same"
                    .into(),
            );
        }
        Some(Finding { confidence, reasons, ports })
    }
}
