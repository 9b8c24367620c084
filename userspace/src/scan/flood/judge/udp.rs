//! UDP that is refused, unanswered, without meaning, or answers to what nobody asked.

use super::{Case, Finding, SCAN};
use crate::scan::{
    flood::{
        Confidence,
        rates::scale,
        who::{Party, REFUSAL, asker, host, sender, sum},
    },
    one_way::is_one_way,
};

/// Refusals that tell that nobody listens, those of the seconds before a suspicion weighing half, a quarter and so on. Linux sends one
/// address six unreachables at once and then one a second (`icmp_ratelimit`), so that a flood at a closed port has no more.
const REFUSALS: u64 = REFUSAL * 5 / 2;
/// One answer to so many packets makes them a conversation: QUIC and tunnels acknowledge rarely, but oftener than that.
const CONVERSATION: u64 = 100;
/// Answers to one question from which on most of them answer none.
const ANSWERS: u64 = 10;

impl Case<'_> {
    pub(super) fn udp(&self) -> Option<Finding> {
        let who = self.who;
        let heavy = who.heavy_targets();
        if self.is_blind() {
            return self.unseen(&heavy);
        }
        if let Some(port) = self.amplifier() {
            return Some(self.reflected(port, &heavy));
        }
        let (mut silent, mut refused): (Vec<Party>, Vec<Party>) = Default::default();
        for party in heavy.iter().filter(|party| !self.is_answered(party)) {
            let refusals = self.place.refusals.least(self.place.hasher, &host(&party.0));
            if refusals >= REFUSALS { &mut refused } else { &mut silent }.push(*party);
        }
        if self.is_enough(&refused) {
            return Some(self.refused());
        }
        silent.extend(refused);
        if self.is_enough(&silent) {
            return self.unanswered(&silent);
        }
        // Answered, but not for the sake of the answers.
        if self.is_enough(&heavy)
            && who.short * 10 >= who.packets * 9
            && who.flows * 2 >= who.packets
        {
            return Some(self.pointless());
        }
        let hosts: Vec<_> =
            who.heavy_hosts().into_iter().filter(|party| !self.is_answered(party)).collect();
        self.is_enough(&hosts).then(|| self.at_hosts(&hosts, &heavy)).flatten()
    }

    const fn all(&self) -> u64 {
        self.measure().rates.udp
    }

    /// Whether these parties have at least half of what is beyond the usual.
    fn is_enough(&self, parties: &[Party]) -> bool {
        let usual = (self.usual.rate() * self.window.seconds) as u64;
        let excess = self.all().saturating_sub(usual).max(1);
        scale(sum(parties), self.all(), self.who.packets).saturating_mul(2) >= excess
    }

    /// Few flows with many datagrams each.
    const fn is_stream(&self) -> bool {
        self.who.flows * 10 < self.who.packets
    }

    fn is_answered(&self, party: &Party) -> bool {
        self.answers_of(party) >= (party.1 / CONVERSATION).max(1)
    }

    /// Where answers are not seen silence says nothing, but so many sources do.
    fn unseen(&self, heavy: &[Party]) -> Option<Finding> {
        let ports = self.is_enough(heavy);
        let meant_for_few = ports || self.is_enough(&self.who.heavy_hosts());
        (self.who.is_random() && meant_for_few).then(|| Finding {
            confidence: Confidence::Possible,
            reasons: vec![
                format!("{} datagrams, hardly two of them from one source", self.all()),
                "answers are not seen here, or only some of them".into(),
            ],
            ports,
        })
    }

    /// The port from which amplifiers answer what their target did not ask.
    fn amplifier(&self) -> Option<u16> {
        let port = self.who.is_scattered().then(|| self.who.amplifier()).flatten()?;
        let hosts = self.who.heavy_hosts();
        let asks = |&(host, got): &Party| {
            let asked = self.answers_of(&(asker(&host, port), got));
            asked.saturating_mul(ANSWERS) >= got
        };
        let flooded: Vec<_> = hosts.into_iter().filter(|party| !asks(party)).collect();
        self.is_enough(&flooded).then_some(port)
    }

    fn reflected(&self, port: u16, heavy: &[Party]) -> Finding {
        Finding {
            confidence: Confidence::Likely,
            reasons: vec![format!(
                "{} datagrams, most of them answers from port {port} of many hosts that the target asked nothing: \
                 somebody asks them in its name",
                self.all()
            )],
            ports: self.is_enough(heavy),
        }
    }

    /// Datagrams to ports where nobody listens.
    fn refused(&self) -> Finding {
        let mut reasons = vec![format!(
            "{} datagrams, and the hosts they are meant for say that nobody listens",
            self.all()
        )];
        let mut confidence = Confidence::Likely;
        if self.is_stream() || self.who.is_scattered() && !self.who.is_random() {
            reasons
                .push("a service that has stopped looks the same while its clients go on".into());
            confidence = Confidence::Possible;
        }
        Finding { confidence, reasons, ports: true }
    }

    /// Datagrams that are neither answered nor refused: as services have them that only receive.
    fn unanswered(&self, silent: &[Party]) -> Option<Finding> {
        let mut reasons =
            vec![format!("{} datagrams, hardly any of which was answered", self.all())];
        if self.who.is_random() {
            return Some(Finding { confidence: Confidence::Likely, reasons, ports: true });
        }
        let heavy = self.is_heavy();
        let suspicious = if self.is_stream() {
            self.usual.is_known() && heavy
        } else {
            self.usual.is_known() || heavy
        };
        if !suspicious || !self.is_enough(&answering(silent)) {
            return None;
        }
        reasons.push(
            "a service that only receives (syslog, statsd, flow export) looks the same when it begins".into(),
        );
        Some(Finding { confidence: Confidence::Possible, reasons, ports: true })
    }

    /// Datagrams without data, each from a port of its own.
    fn pointless(&self) -> Finding {
        let who = self.who;
        let mut reasons = vec![format!(
            "{} datagrams with next to no data, {} of {} that were noted from a port of their own",
            self.all(),
            who.flows,
            who.packets
        )];
        let from = who.heavy_sources();
        let refuses = |(key, _): &Party| {
            // As the host that errors come from it stands in the other place.
            let party = sender(key);
            self.place.counter_refusals.least(self.place.hasher, &party) >= REFUSALS
        };
        if from.iter().any(refuses) {
            reasons.push("who sends them refuses the answers".into());
        }
        Finding { confidence: Confidence::Likely, reasons, ports: true }
    }

    /// Datagrams to many ports of hosts that hardly send any.
    fn at_hosts(&self, hosts: &[Party], heavy: &[Party]) -> Option<Finding> {
        let who = self.who;
        let mut reasons =
            vec![format!("{} datagrams to many ports, which hardly sent any back", self.all())];
        if who.is_scattered() {
            return Some(Finding { confidence: Confidence::Likely, reasons, ports: false });
        }
        // Answered or not: where a port's keys are many the sketch cannot tell.
        let one_way = sum(heavy) - sum(&answering(heavy));
        let is_one_way = one_way * 2 >= sum(hosts);
        if !self.is_heavy() || is_one_way || self.is_stream() && !self.usual.is_known() {
            return None;
        }
        let most = hosts.first().map_or(0, |party| party.1);
        let confidence = if most > SCAN {
            reasons.push(format!("{most} to one host, more than it has ports"));
            Confidence::Likely
        } else {
            reasons.push("from few sources: a scan as fast looks the same".into());
            Confidence::Possible
        };
        Some(Finding { confidence, reasons, ports: false })
    }
}

/// Those whose silence says something.
fn answering(parties: &[Party]) -> Vec<Party> {
    let answers = |party: &&Party| !is_one_way(party.0.destination_port);
    parties.iter().filter(answers).copied().collect()
}
