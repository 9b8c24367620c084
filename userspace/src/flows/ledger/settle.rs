//! Flows that began, each shown once when it has settled, with what came back: what it was for can be told by then.
//!
//! Under pressure flows leave the table sooner than they settle. Those are kept until they are shown, and whoever leaves
//! before the flow of the other direction was shown is remembered for it.

use hashbrown::HashMap;
use wireledger_common::abi::flow::FlowKey;

use super::Ledger;
use crate::flows::flow::Flow;

/// How long after its first packet a flow is shown to [`Ledger::settle`], nanoseconds: most answers have come by then, and most handshakes are over.
pub const SETTLING: u64 = 2_000_000_000;

/// The key of the flow that answers; `None` where there can be none.
pub type Reverse = fn(&FlowKey) -> Option<FlowKey>;

/// A flow that has settled, or has left.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'f> {
    /// Its key.
    pub key: &'f FlowKey,
    /// What it has had.
    pub flow: &'f Flow,
    /// The flow of the other direction, also one that has left by now.
    pub answer: Option<&'f Flow>,
    /// There may have been an answer that has left and was forgotten.
    pub forgot: bool,
}

/// Flows that left, as far as [`Ledger::settle`] wants them.
#[derive(Default)]
pub(super) struct Hasty {
    /// Who answers whom; none while nobody asks.
    reverse: Option<Reverse>,
    /// Not shown yet.
    flows: HashMap<FlowKey, Flow>,
    /// Those that left before the flow of their other direction was shown: of late, and before.
    gone: [HashMap<FlowKey, Flow>; 2],
    /// There were more of them.
    forgot: [bool; 2],
    /// When `gone` began to be what it is.
    turned: u64,
    lost: u64,
}

impl Hasty {
    /// Kept at once, of each kind: what fits in 2^16 places of a table, some 10 MiB. More that are to be shown are counted as
    /// lost.
    const MOST: usize = (1 << 16) / 8 * 7;

    /// A flow leaves; `awaits` says of a key whether its flow is still to be shown.
    pub(super) fn leaves(
        &mut self,
        key: &FlowKey,
        flow: &Flow,
        was_shown: bool,
        awaits: impl FnOnce(&FlowKey) -> bool,
    ) {
        let Some(reverse) = self.reverse else { return };
        let is_awaited = match reverse(key) {
            Some(other) => self.flows.contains_key(&other) || awaits(&other),
            // Who asked is not told by an answer of ICMP.
            None => !was_shown,
        };
        if is_awaited && !keep(&mut self.gone[0], key, flow) {
            self.forgot[0] = true;
        }
        if !was_shown && !keep(&mut self.flows, key, flow) {
            self.lost += 1;
        }
    }

    fn turn(&mut self, now: u64) {
        if now.saturating_sub(self.turned) >= SETTLING {
            self.turned = now;
            self.gone[1] = std::mem::take(&mut self.gone[0]);
            self.forgot = [false, self.forgot[0]];
        }
    }
}

/// Keeps a flow where there is room; one that comes and goes is the one that it was.
fn keep(flows: &mut HashMap<FlowKey, Flow>, key: &FlowKey, flow: &Flow) -> bool {
    if let Some(known) = flows.get_mut(key) {
        known.packets = known.packets.saturating_add(flow.packets);
        known.tcp_flags |= flow.tcp_flags;
        known.last_seen = known.last_seen.max(flow.last_seen);
        return true;
    }
    let has_room = flows.len() < Hasty::MOST;
    if has_room {
        flows.insert(*key, *flow);
    }
    has_room
}

impl Ledger {
    /// Shows each flow that began once, when it has settled, and with it the flow that answers, whose key `reverse` makes. Flows
    /// that left before somebody asked here for the first time are never shown.
    pub fn settle(&mut self, now: u64, reverse: Reverse, mut see: impl FnMut(&Settled<'_>)) {
        self.hasty.reverse = Some(reverse);
        let mut settled = self.flows.settled(now, |flow| settles(flow) <= now);
        // In the order in which they began, which says who imitates whom.
        settled.sort_unstable_by_key(|&at| self.flows.shown(at).1.first_seen);
        let left = std::mem::take(&mut self.hasty.flows);
        let mut hasty: Vec<_> = left.iter().collect();
        hasty.sort_unstable_by_key(|(_, flow)| flow.first_seen);
        let (flows, gone) = (&self.flows, &self.hasty.gone);
        let forgot = self.hasty.forgot != [false; 2];
        let mut show = |key: &FlowKey, flow: &Flow| {
            let answer = reverse(key).and_then(|key| {
                let left = [&left, &gone[0], &gone[1]].into_iter().filter_map(|it| it.get(&key));
                flows.get(&key).into_iter().chain(left).min_by_key(|flow| flow.first_seen)
            });
            see(&Settled { key, flow, answer, forgot: forgot && answer.is_none() });
        };
        hasty.iter().for_each(|(key, flow)| show(key, flow));
        for at in settled {
            let (key, flow) = flows.shown(at);
            show(key, flow);
        }
        // Both have left, and both were shown.
        for other in left.keys().filter_map(reverse) {
            for gone in &mut self.hasty.gone {
                gone.remove(&other);
            }
        }
        self.hasty.turn(now);
    }

    /// So many flows left before they settled that [`Self::settle`] is wanted soon.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.hasty.flows.len() > Hasty::MOST / 2
    }

    /// Flows that ended too soon, and too many at once, to be shown to [`Self::settle`].
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.hasty.lost
    }
}

/// When a flow has settled.
pub(super) const fn settles(flow: &Flow) -> u64 {
    flow.first_seen.saturating_add(SETTLING)
}
