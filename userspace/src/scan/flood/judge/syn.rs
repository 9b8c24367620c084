//! SYNs without handshakes.

use super::{Case, Finding, SCAN};
use crate::scan::flood::{Confidence, Handshakes, Kind};

/// Handshakes that are followed from which on what becomes of them is as good as what becomes of all.
const MANY: u64 = 1000;
/// How often a client asks again that is refused.
const TRIES: f64 = 4.0;

impl Case<'_> {
    pub(super) fn syn(&self) -> Option<Finding> {
        let all = self.measure().rates.syn;
        let one_sided = self.measure().of(Kind::SynFlood);
        // The last handshakes of a crowd end when the next second has begun.
        if one_sided * 4 < all {
            return None;
        }
        let told = self.measure().rates.handshakes.filter(Handshakes::tell);
        if told.is_some_and(|told| self.is_behind(&told) || self.is_outage(&told, one_sided)) {
            return None;
        }
        // To many ports from few sources is a scan, unless it is too fast for one.
        let ports = self.is_most(&self.who.heavy_targets(), one_sided, all);
        let heavy = self.who.heavy_hosts();
        let is_scattered = self.who.is_scattered();
        let hosts = ports || self.is_most(&heavy, one_sided, all);
        if !ports && !(hosts && (is_scattered || self.is_heavy())) {
            return None;
        }
        let mut reasons = vec![format!("{one_sided} of {all} SYNs began no connection")];
        let before = reasons.len();
        self.doubt(one_sided, all, &mut reasons);
        if !ports && !is_scattered {
            let most = heavy.first().map_or(0, |party| party.1);
            reasons.push(match most > SCAN {
                true => format!("{most} SYNs to one host, more than it has ports"),
                false => "to many ports from few sources: a scan as fast looks the same".into(),
            });
        }
        let doubts = reasons.len() - before;
        let nearly_all = one_sided * 20 >= all * 19;
        let followed = told.is_some_and(|told| !told.are_mostly_untracked());
        let confidence = match doubts {
            0 if nearly_all && followed && self.place.sees => Confidence::Certain,
            0 => Confidence::Likely,
            _ => Confidence::Possible,
        };
        Some(Finding { confidence, reasons, ports })
    }

    /// What ordinary looks the same.
    fn doubt(&self, one_sided: u64, all: u64, reasons: &mut Vec<String>) {
        let Some(told) = self.measure().rates.handshakes else {
            let but =
                "answers are not seen here, or only some of them; more than half of TCP are SYNs";
            reasons.push(but.into());
            return;
        };
        let Handshakes { begun, untracked, .. } = told;
        if told.are_mostly_untracked() && begun < MANY {
            reasons.push(format!(
                "the kernel followed {begun} handshakes and had no room for {untracked}: what became of them nobody knows"
            ));
        }
        if !told.tell() {
            return;
        }
        let (resent, refused) = (told.of_all(told.resent), told.of_all(told.refused));
        if resent.saturating_mul(10) >= all * 3 {
            reasons.push(format!(
                "{resent} SYNs were sent again, as clients do: a server that is overloaded looks the same"
            ));
        }
        if refused.saturating_mul(2) >= one_sided {
            let same = match self.who.is_scattered() {
                true => "the clients of a service that has stopped look the same",
                false => "a client that tries a closed port over and over looks the same",
            };
            reasons.push(format!("{refused} were refused: {same}"));
        }
    }

    /// Clients that were served until now are refused, and try again: no more than they are.
    fn is_outage(&self, told: &Handshakes, one_sided: u64) -> bool {
        let served = self.served.rate() * self.window.seconds;
        let missing = served - told.of_all(told.completed) as f64;
        self.served.is_known()
            && told.of_all(told.refused).saturating_mul(2) >= one_sided
            && one_sided as f64 <= TRIES * missing
    }

    /// Of few handshakes that are followed, as room comes free, half may be under way when they are counted; over more seconds it is
    /// no matter.
    fn is_behind(&self, told: &Handshakes) -> bool {
        const FEW: f64 = 3.0;
        let half = told.completed.saturating_mul(2) >= told.begun;
        told.are_mostly_untracked() && half && self.window.seconds < FEW
    }
}
