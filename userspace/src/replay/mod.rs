//! Captures put on a ledger: packet by packet through an engine, which is this process's memory or the loaded probe.
//!
//! Guarantees: the engine sees what a hook would have seen, so both give the same flows and totals; memory is bounded by
//! the table's, whatever the capture; every packet of it is in flows, overflow, unread or among those left out by name.

mod conversations;
mod floods;
mod listing;
mod memory;
mod probe;
mod scans;

use std::collections::BTreeMap;

use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey},
        handshake,
        link::Link,
        replay::{Replay, TICK_SHIFT, WINDOW},
        totals::{Count, Totals},
        unread::Unread,
    },
    table::WAYS,
    wire::{self, Cursor, Headers},
};

pub use conversations::{Conversation, Side, conversations};
pub use floods::{Floods, Found};
pub use listing::{Listing, Unlisted};
pub use memory::Memory;
pub use probe::Loaded;
pub use scans::detect;

use crate::kernel::Error;

/// How an engine is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of the flow table.
    pub flow_memory: u64,
    /// Flows are those inside tunnels.
    pub decap: bool,
}

/// Flows that a table of this size holds.
#[must_use]
pub fn capacity(settings: Settings) -> usize {
    probe::buckets(settings.flow_memory) as usize * WAYS
}

/// What counts packets.
pub trait Engine {
    /// Puts one packet on the ledger: its first [`WINDOW`] bytes at most, and what a hook would know of it. Flows that end
    /// on the way go to `listing`.
    ///
    /// # Errors
    /// When the kernel refuses the run.
    fn packet(
        &mut self,
        replay: &Replay,
        link: Link,
        bytes: &[u8],
        listing: &mut Listing,
    ) -> Result<(), Error>;

    /// Why the latest packet has no flow key; `None` when it has one. Asked after every packet, or never.
    ///
    /// # Errors
    /// When the kernel refuses a look-up.
    fn unread(&mut self) -> Result<Option<Unread>, Error>;

    /// Ends the handshakes that have been under way for too long at `now`, nanoseconds since 1970.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn expire(&mut self, now: u64) -> Result<Handshakes, Error>;

    /// Lists the flows that are still in the table, and tells the totals.
    ///
    /// # Errors
    /// When the kernel refuses a look-up.
    fn finish(&mut self, listing: &mut Listing) -> Result<Box<Totals>, Error>;
}

/// TCP handshakes that no packet ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Handshakes {
    /// Unfinished for too long.
    pub expired: u64,
    /// Still under way.
    pub open: u64,
}

/// A capture's packet.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Which interface, over all files: see [`Ledger::interface`].
    pub interface: u32,
    /// What it begins with.
    pub link: Link,
    /// Out of the host, or into it; `None` where the capture does not say.
    pub outgoing: Option<bool>,
    /// Original length, bytes.
    pub length: u32,
    /// Captured bytes.
    pub bytes: &'a [u8],
}

/// The ledger of one or more captures.
pub struct Ledger {
    engine: Box<dyn Engine>,
    listing: Listing,
    floods: Option<Box<Floods>>,
    /// Names in the order of their indices.
    interfaces: Vec<(String, Link)>,
    left_out: BTreeMap<String, u64>,
    ticks: u64,
    first: Option<u64>,
    last: u64,
    /// When handshakes are looked after next.
    expire_at: u64,
    expired: u64,
}

/// What the captures came to.
pub struct Outcome {
    /// The flows.
    pub listing: Listing,
    /// Every counter.
    pub totals: Box<Totals>,
    /// TCP handshakes that no packet ended.
    pub handshakes: Handshakes,
    /// Floods, where somebody looked for them: [`Ledger::watch`].
    pub floods: Found,
    /// Interface names by index of the flow key minus 1.
    pub interfaces: Vec<String>,
    /// What the frames of each begin with.
    pub links: Vec<Link>,
    /// Packets of link types that nobody reads here.
    pub left_out: BTreeMap<String, u64>,
    /// Earliest packet, nanoseconds since 1970; 0 where there is none.
    pub first: u64,
    /// Latest packet.
    pub last: u64,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(engine: Box<dyn Engine>, listing: Listing) -> Self {
        Self {
            engine,
            listing,
            floods: None,
            interfaces: Vec::new(),
            left_out: BTreeMap::new(),
            ticks: 0,
            first: None,
            last: 0,
            expire_at: 0,
            expired: 0,
        }
    }

    /// Looks for floods from now on.
    pub fn watch(&mut self, floods: Floods) {
        self.floods = Some(Box::new(floods));
    }

    /// The number of an interface: the same name and link in another file is the same one.
    pub fn interface(&mut self, name: &str, link: Link) -> u32 {
        let known = self.interfaces.iter().position(|(n, l)| n == name && *l == link);
        known.unwrap_or_else(|| {
            self.interfaces.push((name.to_owned(), link));
            self.interfaces.len() - 1
        }) as u32
    }

    /// Notes a packet of a link type that nobody reads here.
    pub fn leave_out(&mut self, link_type: &str) {
        // No allocation but for the first of a kind.
        match self.left_out.get_mut(link_type) {
            Some(packets) => *packets += 1,
            None => drop(self.left_out.insert(link_type.to_owned(), 1)),
        }
    }

    /// Why the latest packet has no flow key: see [`Engine::unread`].
    ///
    /// # Errors
    /// When the kernel refuses a look-up.
    pub fn unread(&mut self) -> Result<Option<Unread>, Error> {
        self.engine.unread()
    }

    /// Puts one packet on the ledger.
    ///
    /// # Errors
    /// When the kernel refuses the run.
    #[inline]
    pub fn packet(&mut self, packet: &Captured<'_>) -> Result<(), Error> {
        let time = packet.time.min(i64::MAX.cast_unsigned());
        self.ticks = self.ticks.max(time >> TICK_SHIFT);
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(time);
        if time >= self.expire_at {
            self.expire_at = time.saturating_add(handshake::LIFE / 2);
            self.expired += self.engine.expire(time)?.expired;
        }
        let window = &packet.bytes[..packet.bytes.len().min(WINDOW)];
        let replay = Replay {
            time,
            ticks: self.ticks as u32,
            interface: packet.interface + 1,
            length: packet.length,
            direction: if packet.outgoing == Some(true) { EGRESS } else { 0 },
            cut: u8::from(window.len() < packet.bytes.len()),
            opposite: if packet.outgoing == Some(false) { EGRESS } else { 0 },
            reserved: 0,
        };
        if let Some(floods) = &mut self.floods {
            floods.packet(&replay, packet.link, window);
        }
        self.engine.packet(&replay, packet.link, window, &mut self.listing)
    }

    /// Closes the ledger.
    ///
    /// # Errors
    /// When the kernel refuses a look-up.
    pub fn finish(mut self) -> Result<Outcome, Error> {
        let mut handshakes = self.engine.expire(self.last)?;
        handshakes.expired += self.expired;
        let totals = self.engine.finish(&mut self.listing)?;
        let (interfaces, links) = self.interfaces.into_iter().unzip();
        Ok(Outcome {
            listing: self.listing,
            totals,
            handshakes,
            floods: self.floods.map(|floods| floods.finish()).unwrap_or_default(),
            interfaces,
            links,
            left_out: self.left_out,
            first: self.first.unwrap_or_default(),
            last: self.last,
        })
    }
}

impl Outcome {
    /// Packets and bytes with an entry in the table, listed or not: what the ledger's equation calls flows.
    #[must_use]
    pub fn in_flows(&self) -> Count {
        let mut sum = self.listing.unlisted().count;
        for (_, flow) in self.listing.flows() {
            sum.add(flow.packets, flow.bytes);
        }
        sum
    }

    /// The name of a flow's interface.
    #[must_use]
    pub fn interface(&self, key: &FlowKey) -> String {
        self.name_of(key.interface)
    }

    /// The name of the interface of this index in flow keys.
    #[must_use]
    pub fn name_of(&self, index: u32) -> String {
        let name = self.interfaces.get((index as usize).wrapping_sub(1));
        name.cloned().unwrap_or_default()
    }

    /// The ledger's equation: `seen = flows + overflow + unread`.
    #[must_use]
    pub fn balances(&self) -> bool {
        let mut parts = self.in_flows();
        for count in self.totals.overflow.iter().chain(&self.totals.unread) {
            parts.add(count.packets, count.bytes);
        }
        parts == self.totals.seen
    }
}

/// Reads the headers of a packet, with `decap` those inside its tunnel. `headers` comes in as [`Headers::default`].
///
/// # Errors
/// The reason why there is no flow key.
#[inline(always)]
fn read(
    frame: Cursor<'_>,
    length: u32,
    link: Link,
    decap: bool,
    headers: &mut Headers,
) -> Result<(), Unread> {
    wire::read(frame, length, link, 0, headers)?;
    if decap && wire::is_tunnel(headers) {
        let mut inner = Headers::default();
        if wire::enter(frame, headers, &mut inner).is_ok() {
            *headers = inner;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
