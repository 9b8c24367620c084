//! The flows of a capture as attempts, through the detector of scans, by the capture's own time.

use hashbrown::{HashMap, HashSet};
use wireledger_common::abi::{flow::FlowKey, link::Link};

use super::Listing;
use crate::{
    flows::Flow,
    scan::{Attempt, Detector, begins, link_header, reverse},
};

/// Nanoseconds between two looks at what the detector has found.
const TICK: u64 = 1_000_000_000;

/// Puts every flow that somebody began through the detector, in the order of their first packets. `links` are those of the
/// interfaces by index of the flow key minus 1.
///
/// Where nobody in the capture sends to somebody who sends back, answers could not be seen, and TCP alone is judged.
pub fn detect(listing: &Listing, links: &[Link], detector: &mut Detector) {
    let flows: HashMap<&FlowKey, &Flow> = listing.flows().collect();
    let answer = |key: &FlowKey| {
        // Directions are known of some captures, and of others not.
        let answers = [true, false].map(|directed| reverse(key, directed));
        answers.iter().flatten().find_map(|key| flows.get(key).copied())
    };
    let mut begun: Vec<_> = flows
        .iter()
        .map(|(&key, &flow)| (key, flow, answer(key)))
        .filter(|(key, flow, answer)| begins(key, flow, *answer))
        .collect();
    // An ICMP error is for who has asked already.
    let time = |key: &FlowKey, flow: &Flow| match reverse(key, false) {
        Some(_) => flow.first_seen,
        None => flow.last_seen,
    };
    begun.sort_unstable_by_key(|(key, flow, _)| (time(key, flow), **key));
    let hosts: HashSet<_> = flows.keys().map(|key| (key.source, key.destination)).collect();
    let both_ways = hosts.iter().any(|&(from, to)| from != to && hosts.contains(&(to, from)));
    let (mut last, mut next) = (0, 0);
    for (key, asked, answered) in begun {
        last = time(key, asked);
        if last >= next {
            detector.tick(last, |_, _| {});
            next = last.saturating_add(TICK);
        }
        let link = links.get((key.interface as usize).wrapping_sub(1)).copied();
        let link_header = link_header(link.unwrap_or_default());
        detector.attempt(&Attempt { key, asked, answered, both_ways, link_header }, last);
    }
    detector.tick(last, |_, _| {});
    while detector.counters().waiting > 0 {
        detector.tick(last, |_, _| {});
    }
}
