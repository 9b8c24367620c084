//! Names of maps, globals and programs in the eBPF object: each string once.

/// Flow table: one [`crate::table::Bucket`] per entry, `[cpu][bucket]`, read through `mmap`.
pub const FLOWS: &str = "FLOWS";
/// Per-CPU [`crate::abi::totals::Totals`], two per place: ingress, then egress.
pub const TOTALS: &str = "TOTALS";
/// Interface index to place: [`crate::abi::settings::Place`] at `index % PLACES_LEN`.
pub const PLACES: &str = "PLACES";
/// Ring of [`crate::abi::record::Record`]: flows whose entry ended.
pub const RECORDS: &str = "RECORDS";
/// Per-CPU [`crate::abi::totals::Losses`]: what the probe could not tell or place.
pub const LOSSES: &str = "LOSSES";
/// One [`crate::abi::clock::Clock`], written by [`CLOCK_PROGRAM`].
pub const CLOCK: &str = "CLOCK";
/// First fragments seen lately, so that later ones find the flow of their datagram.
pub const FRAGMENTS: &str = "FRAGMENTS";

/// TCP handshakes under way: [`crate::abi::handshake::Attempt`] by the key of the SYN's direction.
pub const HANDSHAKES: &str = "HANDSHAKES";

/// Where packets of tunnels go on at XDP: one program.
pub const XDP_INNER: &str = "XDP_INNER";
/// The same at TC: ingress, egress.
pub const TC_INNER: &str = "TC_INNER";

/// What a hook goes on with once a packet is counted, at XDP: the armed filter, one program.
pub const XDP_ARMED: &str = "XDP_ARMED";
/// The same at TC: ingress, egress.
pub const TC_ARMED: &str = "TC_ARMED";
/// What a filter goes on with when a session wants the packet, at XDP: one program.
pub const XDP_DELIVER: &str = "XDP_DELIVER";
/// The same at TC: ingress, egress.
pub const TC_DELIVER: &str = "TC_DELIVER";
/// [`crate::abi::sample::Session`] by slot.
pub const SESSIONS: &str = "SESSIONS";
/// [`crate::abi::sample::Spent`] by slot.
pub const SPENT: &str = "SPENT";
/// Per-CPU [`crate::abi::sample::Block`] by slot.
pub const BLOCKS: &str = "BLOCKS";
/// Per-CPU [`crate::abi::sample::Tally`], for each slot two per place: ingress, then egress.
pub const TALLIES: &str = "TALLIES";
/// Per-CPU [`crate::abi::sample::Handover`], one.
pub const HANDOVER: &str = "HANDOVER";
/// [`crate::abi::sample::Room`] by CPU.
pub const ROOMS: &str = "ROOMS";
/// Ring of [`crate::abi::sample::Sample`], each with its packet's first bytes.
pub const SAMPLES: &str = "SAMPLES";

/// Six 64-bit words of the flow hash's seed.
pub const SEEDS: &str = "SEEDS";
/// Number of CPUs that own a slice of the flow table (`u32`).
pub const CPUS: &str = "CPUS";
/// Buckets in each CPU's slice (`u32`).
pub const BUCKETS: &str = "BUCKETS";
/// Jiffies a flow must have been silent before its slot may be taken (`u32`).
pub const EVICT_AFTER: &str = "EVICT_AFTER";
/// How long a first fragment speaks for later ones, by the table's clock (`u64`).
pub const FRAGMENT_LIFE: &str = "FRAGMENT_LIFE";
/// Age up to which a hole in a TCP flow is filled by a late segment, by the table's ticks (`u32`).
pub const REORDER: &str = "REORDER";
/// 1 = flows are those inside tunnels (`u8`).
pub const DECAP: &str = "DECAP";
/// 1 = packets come from a capture, each behind a [`crate::abi::replay::Replay`] (`u8`).
pub const REPLAY: &str = "REPLAY";
/// Interfaces that have totals and tallies (`u32`).
pub const PLACE_COUNT: &str = "PLACE_COUNT";
/// Version of the boundary, see [`crate::abi::VERSION`] (`u32`).
pub const ABI: &str = "ABI";
/// Level of the probe's own diagnostics, 0 = off (`u8`; the name is aya-log's).
pub const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

/// Ingress at the driver, `SEC("xdp.frags")`.
pub const XDP: &str = "wireledger_xdp";
/// Ingress after the driver, for interfaces where XDP is taken or refused.
pub const TC_INGRESS: &str = "wireledger_in";
/// Egress.
pub const TC_EGRESS: &str = "wireledger_out";
/// Goes on after [`XDP`] with a packet of a tunnel.
pub const XDP_INNER_PROGRAM: &str = "wireledger_xdp_inner";
/// Goes on after [`TC_INGRESS`].
pub const TC_INGRESS_INNER: &str = "wireledger_in_inner";
/// Goes on after [`TC_EGRESS`].
pub const TC_EGRESS_INNER: &str = "wireledger_out_inner";
/// Delivers what [`XDP`] saw to the sessions that want it.
pub const XDP_DELIVER_PROGRAM: &str = "wireledger_xdp_deliver";
/// The same for [`TC_INGRESS`].
pub const TC_INGRESS_DELIVER: &str = "wireledger_in_deliver";
/// The same for [`TC_EGRESS`].
pub const TC_EGRESS_DELIVER: &str = "wireledger_out_deliver";
/// Reads both clocks once, run by userspace alone.
pub const CLOCK_PROGRAM: &str = "wireledger_clock";
