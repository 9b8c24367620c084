//! Who floods whom: targets, hosts and sources of one kind of packets, in bounded memory.

use std::hash::BuildHasher;

use datasketches::hll::{HllSketch, HllType};
use hashbrown::DefaultHashBuilder;
use wireledger_common::{
    abi::flow::{FlowKey, IPV6, TUNNEL},
    table::hash::words,
};

use super::{
    News,
    verdict::{Source, Sources, Target},
};
use crate::flows::talkers::{Candidates, address};
use crate::scan::{one_way::is_overlay, protocol::UDP};

/// Places of a sketch: four times what can be heavy at once, and the sets of eight to spare.
const PLACES: usize = 256;
/// Base-2 logarithm of the registers for sources: 1 KiB, 3.3 % standard error.
const REGISTERS: u8 = 10;
/// One of so many parts of all packets makes a party heavy.
const HEAVY: u64 = 20;
/// Most examples of a verdict.
const EXAMPLES: usize = 8;
/// From so many sources on, none of them heavy, they are called scattered.
const MANY: u64 = 256;
/// Datagrams with fewer bytes hold next to no data: DNS and RTP have twelve before their data begin, STUN twenty.
const DATA: u64 = 12;
/// Ethernet's shortest frame, to which others are padded.
const PADDED: u64 = 60;

/// Ports of services whose answers are longer than the questions, so that others' hosts are made to flood with them: TA14-017A of
/// US-CERT and what came after. In order.
const AMPLIFIERS: [u16; 19] = [
    17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3283, 3702, 5353, 5683, 10_001, 11_211,
    32_414, 37_810,
];

/// Weight of a refusal, which can be halved for some seconds.
pub(super) const REFUSAL: u64 = 256;

/// An address or an endpoint, and packets that it surely had.
pub(super) type Party = (FlowKey, u64);

/// Counts of one kind of packets.
pub(super) struct Who {
    targets: Candidates,
    hosts: Candidates,
    sources: Candidates,
    distinct: HllSketch,
    /// Packets that were noted, old ones half,
    pub(super) packets: u64,
    /// and all of them.
    noted: u64,
    /// UDP by the amplifier's port that it comes from.
    amplified: [u64; AMPLIFIERS.len()],
    /// Flows that began with them.
    pub(super) flows: u64,
    /// Those of the packets in frames with next to no data.
    pub(super) short: u64,
}

impl Default for Who {
    fn default() -> Self {
        let places = || Candidates::new(PLACES);
        let (targets, hosts, sources) = (places(), places(), places());
        Self {
            targets,
            hosts,
            sources,
            distinct: registers(),
            packets: 0,
            noted: 0,
            amplified: Default::default(),
            flows: 0,
            short: 0,
        }
    }
}

impl Who {
    /// Bytes of one.
    pub(super) const BYTES: usize =
        3 * Candidates::bytes(PLACES) + (1 << REGISTERS) + size_of::<Self>();

    pub(super) fn add(
        &mut self,
        hasher: &DefaultHashBuilder,
        key: &FlowKey,
        packets: u64,
        news: &News,
        link: u32,
    ) {
        self.packets += packets;
        self.noted += packets;
        self.flows += u64::from(news.begins);
        if key.protocol == UDP {
            self.short += if is_short(key, news, link) { packets } else { 0 };
            if let Ok(at) = AMPLIFIERS.binary_search(&key.source_port) {
                self.amplified[at] += packets;
            }
        }
        let (target, host, source) = (target(key), host(key), source(key));
        self.targets.add(hasher.hash_one(words(&target)), &target, packets);
        self.hosts.add(hasher.hash_one(words(&host)), &host, packets);
        let hash = hasher.hash_one(words(&source));
        self.sources.add(hash, &source, packets);
        self.distinct.update(hash);
    }

    /// Whether an endpoint surely got packets.
    pub(super) fn is_target(&self, hasher: &DefaultHashBuilder, endpoint: &FlowKey) -> bool {
        self.targets.least(hasher.hash_one(words(endpoint)), endpoint) > 0
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for sketch in [&mut self.targets, &mut self.hosts, &mut self.sources] {
            sketch.clear();
        }
        self.distinct = registers();
        (self.packets, self.noted, self.flows, self.short) = (0, 0, 0, 0);
        self.amplified.fill(0);
    }

    /// Old packets count half from now on.
    pub(super) fn halve(&mut self) {
        for sketch in [&mut self.targets, &mut self.hosts, &mut self.sources] {
            sketch.halve();
        }
        (self.packets, self.flows, self.short) = (self.packets / 2, self.flows / 2, self.short / 2);
        self.amplified = self.amplified.map(|packets| packets / 2);
    }

    /// Different sources.
    pub(super) fn distinct(&self) -> u64 {
        self.distinct.estimate().round() as u64
    }

    /// Many sources, none of them heavy.
    pub(super) fn is_scattered(&self) -> bool {
        self.distinct() >= MANY && self.heavy_sources().is_empty()
    }

    /// Hardly any source sends twice: no service has such clients.
    pub(super) fn is_random(&self) -> bool {
        self.is_scattered() && self.distinct() * 2 >= self.noted
    }

    /// The amplifiers' port that most of them come from.
    pub(super) fn amplifier(&self) -> Option<u16> {
        let ported = self.amplified.iter().zip(AMPLIFIERS);
        let (packets, port) = ported.max_by_key(|(packets, _)| **packets)?;
        // Long answers are fragments, and all but the first of those have no ports.
        (packets.saturating_mul(3) >= self.packets && *packets > 0).then_some(port)
    }

    /// Address and port of those who got most.
    pub(super) fn heavy_targets(&self) -> Vec<Party> {
        heavy(&self.targets, self.packets)
    }

    /// The addresses that got most.
    pub(super) fn heavy_hosts(&self) -> Vec<Party> {
        heavy(&self.hosts, self.packets)
    }

    /// The addresses that sent most.
    pub(super) fn heavy_sources(&self) -> Vec<Party> {
        heavy(&self.sources, self.packets)
    }

    /// Targets for a verdict: endpoints, or hosts where ports do not stand out.
    pub(super) fn targets(&self, ports: bool) -> Vec<Target> {
        let endpoints = if ports { self.heavy_targets() } else { Vec::new() };
        let (found, ports) =
            if endpoints.is_empty() { (self.heavy_hosts(), false) } else { (endpoints, true) };
        let target = |(key, packets): Party| Target {
            address: address(key.kind, key.destination),
            port: ports.then_some(key.destination_port),
            packets,
        };
        found.into_iter().map(target).collect()
    }

    /// Sources for a verdict.
    pub(super) fn sources(&self) -> Sources {
        let source =
            |(key, packets): Party| Source { address: address(key.kind, key.source), packets };
        Sources {
            distinct: self.distinct(),
            examples: self.heavy_sources().into_iter().map(source).collect(),
            scattered: self.is_scattered(),
        }
    }
}

/// Counts by endpoint or address of what says something about a flood of another direction. Memory only while there is any.
#[derive(Default)]
pub(super) struct Counts {
    sketch: Option<Candidates>,
    /// Something was added since it was cleared last.
    used: bool,
}

impl Counts {
    /// Bytes of one, while there is any.
    pub(super) const BYTES: usize = Candidates::bytes(PLACES);

    pub(super) fn add(&mut self, hasher: &DefaultHashBuilder, party: &FlowKey, packets: u64) {
        self.used = true;
        let sketch = self.sketch.get_or_insert_with(|| Candidates::new(PLACES));
        sketch.add(hasher.hash_one(words(party)), party, packets);
    }

    /// Notes UDP by the endpoint that it comes from, and what else can answer for one.
    pub(super) fn note_udp(
        &mut self,
        hasher: &DefaultHashBuilder,
        key: &FlowKey,
        packets: u64,
        hosts: bool,
    ) {
        self.add(hasher, &answerer(key), packets);
        // Hosts matter where many flows go to many ports: then it is no matter which of them comes first.
        if hosts {
            self.add(hasher, &sender(key), packets);
        }
        if is_overlay(key.destination_port) {
            let party = FlowKey { destination_port: key.destination_port, ..sender(key) };
            self.add(hasher, &party, packets);
        }
        if AMPLIFIERS.binary_search(&key.destination_port).is_ok() {
            self.add(hasher, &asker(&sender(key), key.destination_port), packets);
        }
    }

    /// What was added before counts half from now on, and after some times without anything new not at all.
    pub(super) fn fade(&mut self) {
        let is_used = std::mem::take(&mut self.used);
        self.halve();
        self.sketch.take_if(|sketch| !is_used && sketch.above(0).is_empty());
    }

    /// Old packets count half from now on.
    pub(super) fn halve(&mut self) {
        if let Some(sketch) = &mut self.sketch {
            sketch.halve();
        }
    }

    /// What a party can have had at the most.
    pub(super) fn most(&self, hasher: &DefaultHashBuilder, party: &FlowKey) -> u64 {
        let most = |sketch: &Candidates| sketch.most(hasher.hash_one(words(party)), party);
        self.sketch.as_ref().map_or(0, most)
    }

    /// What a party surely had.
    pub(super) fn least(&self, hasher: &DefaultHashBuilder, party: &FlowKey) -> u64 {
        let least = |sketch: &Candidates| sketch.least(hasher.hash_one(words(party)), party);
        self.sketch.as_ref().map_or(0, least)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        if !std::mem::take(&mut self.used) {
            self.sketch = None;
        }
        self.sketch.iter_mut().for_each(Candidates::clear);
    }

    pub(super) fn bytes(&self) -> usize {
        self.sketch.as_ref().map_or(0, |_| Self::BYTES)
    }
}

/// The endpoint that a flow goes to.
pub(super) fn target(key: &FlowKey) -> FlowKey {
    FlowKey { destination_port: key.destination_port, ..host(key) }
}

/// The address that a flow goes to.
pub(super) fn host(key: &FlowKey) -> FlowKey {
    FlowKey { destination: key.destination, kind: key.kind & IPV6, ..FlowKey::default() }
}

/// The address that a flow comes from.
pub(super) fn source(key: &FlowKey) -> FlowKey {
    FlowKey { source: key.source, kind: key.kind & IPV6, ..FlowKey::default() }
}

/// The endpoint that a flow comes from, as a target of others.
pub(super) fn answerer(key: &FlowKey) -> FlowKey {
    FlowKey { destination_port: key.source_port, ..sender(key) }
}

/// The address that a flow comes from, as a target of others.
pub(super) fn sender(key: &FlowKey) -> FlowKey {
    FlowKey { destination: key.source, kind: key.kind & IPV6, ..FlowKey::default() }
}

/// A host as one that asks at an amplifier's port.
pub(super) fn asker(host: &FlowKey, port: u16) -> FlowKey {
    FlowKey { destination_port: port, protocol: UDP, ..*host }
}

/// Whether datagrams hold next to no data. Behind a tunnel's headers nobody knows.
fn is_short(key: &FlowKey, news: &News, link: u32) -> bool {
    const HEADER: u64 = 8;
    let is_v6 = key.kind & IPV6 != 0;
    let tags = if key.kind & TUNNEL == 0 { 4 * u64::from(key.vlans[0] != 0) } else { 0 };
    let headers = u64::from(link) + tags + if is_v6 { 40 } else { 20 } + HEADER;
    let News { packets, bytes, .. } = *news;
    // On the wire nothing is shorter; DNS and STUN are seldom as long.
    let is_padded = link == 14 && !is_v6 && bytes == (PADDED + tags).saturating_mul(packets);
    is_padded || bytes < (headers + DATA).saturating_mul(packets)
}

/// Packets of parties together.
pub(super) fn sum(parties: &[Party]) -> u64 {
    parties.iter().map(|(_, packets)| packets).sum()
}

fn heavy(sketch: &Candidates, packets: u64) -> Vec<Party> {
    let found = sketch.above((packets / HEAVY).max(1) - 1);
    found.into_iter().take(EXAMPLES).map(|one| (one.key, one.weight)).collect()
}

fn registers() -> HllSketch {
    HllSketch::new(REGISTERS, HllType::Hll8).expect("10 is between 4 and 21")
}
