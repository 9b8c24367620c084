//! Answers that could not be seen, since packets of theirs found no room in the flow table.

use hashbrown::HashMap;
use wireledger_common::abi::{
    flow::{EGRESS, FlowKey},
    protocol::Protocol,
    totals::Totals,
};

use crate::flows::Flow;

/// By interface, direction and protocol, until when packets went without a flow, nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Unseen(HashMap<(u32, bool), [u64; Protocol::COUNT]>);

impl Unseen {
    /// Looks at what was counted of an interface and a direction until `now` since the look before, which no attempt that
    /// is still to be judged settled before.
    pub fn note(&mut self, interface: u32, egress: bool, [before, after]: [&Totals; 2], now: u64) {
        for (class, (before, after)) in before.overflow.iter().zip(&after.overflow).enumerate() {
            if after.packets != before.packets {
                self.0.entry((interface, egress)).or_default()[class] = now;
            }
        }
    }

    /// Packets in the other direction of this flow may have come without a flow of theirs since it began.
    #[must_use]
    pub fn hides_answer(&self, key: &FlowKey, flow: &Flow) -> bool {
        let other = (key.interface, key.kind & EGRESS == 0);
        let until = self.0.get(&other).map(|until| until[Protocol::of(key.protocol) as usize]);
        until.is_some_and(|until| flow.first_seen < until)
    }

    /// Forgets interfaces that are no more.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|&(interface, _), _| is_there(interface));
    }
}

#[cfg(test)]
mod tests {
    use wireledger_common::abi::flow::Detail;
    use zerocopy::FromZeros;

    use super::*;

    #[test]
    fn what_had_no_flow_hides_answers_of_its_protocol_the_other_way_to_what_began_before() {
        let mut unseen = Unseen::default();
        let before = Totals::new_zeroed();
        let mut after = before;
        after.overflow[Protocol::Udp as usize].add(1, 60);
        unseen.note(2, true, [&before, &after], 10);
        unseen.note(2, true, [&after, &after], 20);
        let hidden = |interface, protocol, kind, first_seen| {
            let key = FlowKey { interface, protocol, kind, ..FlowKey::default() };
            unseen.hides_answer(&key, &Flow::new(&Detail::default(), first_seen))
        };
        assert!(hidden(2, 17, 0, 9));
        assert!(!hidden(2, 17, 0, 10));
        assert!(!hidden(2, 6, 0, 9));
        assert!(!hidden(2, 17, EGRESS, 9));
        assert!(!hidden(3, 17, 0, 9));
    }
}
