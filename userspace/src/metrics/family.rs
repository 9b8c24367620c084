//! The families: name, type, labels, help.

/// A metric family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// Packets seen.
    SeenPackets,
    /// Bytes seen.
    SeenBytes,
    /// Packets read, by IP version and protocol.
    ReadPackets,
    /// Bytes read, by IP version and protocol.
    ReadBytes,
    /// TCP packets by flag.
    TcpFlags,
    /// Frame sizes.
    PacketSize,
    /// Packets not read.
    UnreadPackets,
    /// Bytes not read.
    UnreadBytes,
    /// Packets without an entry.
    OverflowPackets,
    /// Bytes without an entry.
    OverflowBytes,
    /// Packets of interfaces without a place.
    UnplacedPackets,
    /// Bytes of interfaces without a place.
    UnplacedBytes,
    /// The ledger's verdict.
    Balanced,
    /// Where the programs are attached.
    AttachInfo,
    /// Flows the table holds.
    TableCapacity,
    /// Slots in use.
    TableEntries,
    /// The table's memory.
    TableBytes,
    /// Flows that are not idle.
    LiveFlows,
    /// Flows told.
    FlowsTold,
    /// Records written.
    RecordsWritten,
    /// Records the ring had no room for.
    RecordsRefused,
    /// Records read.
    RecordsRead,
    /// Ring entries that were no records.
    RecordsMalformed,
    /// The ring's memory.
    RecordsBytes,
    /// Sessions that are armed.
    CaptureSessions,
    /// Sessions armed so far.
    CaptureOpened,
    /// Packets that sessions matched.
    CaptureMatched,
    /// What became of them.
    CapturePackets,
    /// Samples for nobody.
    CaptureStrays,
    /// Packets in the flight recorder.
    RecorderPackets,
    /// Packets that made room.
    RecorderForgotten,
    /// Its memory in use.
    RecorderBytes,
    /// Its memory.
    RecorderCapacity,
    /// How far back it reaches.
    RecorderOldest,
    /// Calls of the programs.
    ProgramRuns,
    /// Time in the programs.
    ProgramSeconds,
    /// The kernel counts both.
    ProgramStatistics,
    /// Time to take the last snapshot.
    SnapshotSeconds,
    /// This build.
    BuildInfo,
}

/// Type of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Cumulative buckets.
    Histogram,
}

impl Kind {
    /// As the text format writes it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Label names, in order.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

const PLACE: &[&str] = &["interface", "direction"];
const PROTOCOL: &[&str] = &["interface", "direction", "version", "protocol"];

impl Family {
    /// Every family, in the order of the text.
    pub const ALL: [Self; 39] = [
        Self::SeenPackets,
        Self::SeenBytes,
        Self::ReadPackets,
        Self::ReadBytes,
        Self::TcpFlags,
        Self::PacketSize,
        Self::UnreadPackets,
        Self::UnreadBytes,
        Self::OverflowPackets,
        Self::OverflowBytes,
        Self::UnplacedPackets,
        Self::UnplacedBytes,
        Self::Balanced,
        Self::AttachInfo,
        Self::TableCapacity,
        Self::TableEntries,
        Self::TableBytes,
        Self::LiveFlows,
        Self::FlowsTold,
        Self::RecordsWritten,
        Self::RecordsRefused,
        Self::RecordsRead,
        Self::RecordsMalformed,
        Self::RecordsBytes,
        Self::CaptureSessions,
        Self::CaptureOpened,
        Self::CaptureMatched,
        Self::CapturePackets,
        Self::CaptureStrays,
        Self::RecorderPackets,
        Self::RecorderForgotten,
        Self::RecorderBytes,
        Self::RecorderCapacity,
        Self::RecorderOldest,
        Self::ProgramRuns,
        Self::ProgramSeconds,
        Self::ProgramStatistics,
        Self::SnapshotSeconds,
        Self::BuildInfo,
    ];

    /// What it is.
    #[must_use]
    pub const fn spec(self) -> Spec {
        use Kind::{Counter, Gauge, Histogram};
        let (name, kind, labels, help): (_, _, &'static [&'static str], _) = match self {
            Self::SeenPackets => (
                "wireledger_interface_packets_total",
                Counter,
                PLACE,
                "Packets the probe was called for.",
            ),
            Self::SeenBytes => (
                "wireledger_interface_bytes_total",
                Counter,
                PLACE,
                "Bytes of the packets the probe was called for.",
            ),
            Self::ReadPackets => (
                "wireledger_ip_packets_total",
                Counter,
                PROTOCOL,
                "Packets with a flow key, by IP version and protocol.",
            ),
            Self::ReadBytes => (
                "wireledger_ip_bytes_total",
                Counter,
                PROTOCOL,
                "Bytes of packets with a flow key, by IP version and protocol.",
            ),
            Self::TcpFlags => (
                "wireledger_tcp_flag_packets_total",
                Counter,
                &["interface", "direction", "flag"],
                "TCP packets that had the flag set; a packet counts once for each of its flags, and as none without any.",
            ),
            Self::PacketSize => {
                ("wireledger_packet_size_bytes", Histogram, PLACE, "Frame sizes without FCS.")
            }
            Self::UnreadPackets => (
                "wireledger_unread_packets_total",
                Counter,
                &["interface", "direction", "reason"],
                "Packets whose headers gave no flow key, by reason.",
            ),
            Self::UnreadBytes => (
                "wireledger_unread_bytes_total",
                Counter,
                &["interface", "direction", "reason"],
                "Bytes of packets whose headers gave no flow key, by reason.",
            ),
            Self::OverflowPackets => (
                "wireledger_overflow_packets_total",
                Counter,
                &["interface", "direction", "protocol"],
                "Packets that were read, but whose flow got no table entry.",
            ),
            Self::OverflowBytes => (
                "wireledger_overflow_bytes_total",
                Counter,
                &["interface", "direction", "protocol"],
                "Bytes of packets that were read, but whose flow got no table entry.",
            ),
            Self::UnplacedPackets => (
                "wireledger_unplaced_packets_total",
                Counter,
                &[],
                "Packets of an interface that has no place in the probe: on no interface's ledger.",
            ),
            Self::UnplacedBytes => (
                "wireledger_unplaced_bytes_total",
                Counter,
                &[],
                "Bytes of packets of an interface that has no place in the probe.",
            ),
            Self::Balanced => (
                "wireledger_ledger_balanced",
                Gauge,
                PLACE,
                "1 when seen = flows + overflow + unread on every CPU, packets and bytes; 0 is a bug.",
            ),
            Self::AttachInfo => (
                "wireledger_attach_info",
                Gauge,
                &["interface", "direction", "mode"],
                "1 for each direction that is watched, with the hook that watches it, or none.",
            ),
            Self::TableCapacity => (
                "wireledger_flow_table_capacity",
                Gauge,
                &[],
                "Flows that the kernel's flow table holds, over all CPUs.",
            ),
            Self::TableEntries => (
                "wireledger_flow_table_entries",
                Gauge,
                &[],
                "Slots of the flow table in use; idle flows keep theirs until it is wanted.",
            ),
            Self::TableBytes => {
                ("wireledger_flow_table_bytes", Gauge, &[], "Memory of the flow table.")
            }
            Self::LiveFlows => (
                "wireledger_flows",
                Gauge,
                &[],
                "Flows that are not idle; one on several CPUs counts once.",
            ),
            Self::FlowsTold => (
                "wireledger_flow_records_total",
                Counter,
                &["cause"],
                "Flows told: idle and evicted ones, which ended, and active ones, which go on.",
            ),
            Self::RecordsWritten => (
                "wireledger_records_written_total",
                Counter,
                &[],
                "Records of ended table entries that the kernel wrote to the ring.",
            ),
            Self::RecordsRefused => (
                "wireledger_records_refused_total",
                Counter,
                &[],
                "Evictions that did not happen because the ring was full; the packet went to overflow.",
            ),
            Self::RecordsRead => (
                "wireledger_records_read_total",
                Counter,
                &[],
                "Records that the collector read from the ring.",
            ),
            Self::RecordsMalformed => (
                "wireledger_records_malformed_total",
                Counter,
                &[],
                "Ring entries that were no records; anything but 0 is a bug.",
            ),
            Self::RecordsBytes => {
                ("wireledger_records_ring_bytes", Gauge, &[], "Memory of the ring of ended flows.")
            }
            Self::CaptureSessions => (
                "wireledger_capture_sessions",
                Gauge,
                &[],
                "Capture sessions that are armed now, the always-on sampler among them.",
            ),
            Self::CaptureOpened => (
                "wireledger_capture_sessions_opened_total",
                Counter,
                &[],
                "Capture sessions that were armed.",
            ),
            Self::CaptureMatched => (
                "wireledger_capture_matched_packets_total",
                Counter,
                &["slot"],
                "Packets that matched the filters of the sessions in a slot.",
            ),
            Self::CapturePackets => (
                "wireledger_capture_packets_total",
                Counter,
                &["slot", "fate"],
                "What became of matched packets: delivered to the reader; left_out by sampling; over_budget; lost in a full ring; unread by a slow reader. Sums to the matched ones, but for those under way.",
            ),
            Self::CaptureStrays => (
                "wireledger_capture_strays_total",
                Counter,
                &[],
                "Ring entries that were no samples, or of no session; anything but 0 is a bug.",
            ),
            Self::RecorderPackets => {
                ("wireledger_recorder_packets", Gauge, &[], "Packets in the flight recorder.")
            }
            Self::RecorderForgotten => (
                "wireledger_recorder_forgotten_packets_total",
                Counter,
                &[],
                "Packets of the flight recorder that made room for newer ones.",
            ),
            Self::RecorderBytes => {
                ("wireledger_recorder_bytes", Gauge, &[], "Memory of the flight recorder in use.")
            }
            Self::RecorderCapacity => (
                "wireledger_recorder_capacity_bytes",
                Gauge,
                &[],
                "Memory that the flight recorder may use (--recorder).",
            ),
            Self::RecorderOldest => (
                "wireledger_recorder_oldest_timestamp_seconds",
                Gauge,
                &[],
                "When the oldest packet in the flight recorder was seen, seconds since 1970.",
            ),
            Self::ProgramRuns => (
                "wireledger_program_runs_total",
                Counter,
                &["program"],
                "Calls of the probe's programs, while the kernel's BPF statistics were on.",
            ),
            Self::ProgramSeconds => (
                "wireledger_program_seconds_total",
                Counter,
                &["program"],
                "Time in the probe's programs, while the kernel's BPF statistics were on.",
            ),
            Self::ProgramStatistics => (
                "wireledger_program_statistics_enabled",
                Gauge,
                &[],
                "1 while the kernel counts what programs cost (sysctl kernel.bpf_stats_enabled).",
            ),
            Self::SnapshotSeconds => (
                "wireledger_snapshot_duration_seconds",
                Gauge,
                &[],
                "Time it took to read the kernel's counters and flow table for this answer.",
            ),
            Self::BuildInfo => (
                "wireledger_build_info",
                Gauge,
                &["version", "revision", "os", "arch"],
                "1, with what this build is.",
            ),
        };
        Spec { name, kind, labels, help }
    }
}
