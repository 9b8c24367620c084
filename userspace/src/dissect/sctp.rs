//! SCTP (RFC 9260): common header and chunks.

use std::io;

use super::{
    Description, Layer, Protocol,
    field::Spec,
    sink::Sink,
    tlv::{self, Known, Rule, Tlvs},
    walk::{Span, Step, Walk},
};

pub(super) const HEADER: usize = 12;

pub(super) const SOURCE: Spec = Spec::uint("source_port", "Source port", 0, 2);
pub(super) const DESTINATION: Spec = Spec::uint("destination_port", "Destination port", 2, 2);
const TAG: Spec = Spec::hex("verification_tag", "Verification tag", 4, 4);
const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 8, 4);

/// Then `chunks`: `name`, `type`, `flags`, `length` and what [`CHUNKS`] has for the type.
pub(super) const SCTP: Description = Description::new(
    "sctp",
    "Stream Control Transmission Protocol",
    &[SOURCE, DESTINATION, TAG, CHECKSUM],
)
.with(emit_chunks);

const TYPE: Spec = Spec::uint("type", "Type", 0, 1);
pub(super) const FLAGS: Spec = Spec::hex("flags", "Flags", 1, 1);
const LENGTH: Spec = Spec::uint("length", "Length", 2, 2);

/// RFC 9260 section 3.2: lengths do not count the padding to 4 bytes.
static RULE: Rule = Rule {
    head: &[TYPE, FLAGS, LENGTH],
    singles: 0,
    end: None,
    kind: TYPE,
    length: |bytes| LENGTH.get(bytes).map(|length| length as usize),
    least: 4,
    align: 4,
    called: "chunk length",
};

/// Chunk types (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const DATA: u64 = 0;
    pub(in crate::dissect) const INIT: u64 = 1;
    pub(in crate::dissect) const INIT_ACK: u64 = 2;
    pub(in crate::dissect) const SACK: u64 = 3;
    pub(in crate::dissect) const SHUTDOWN: u64 = 7;
}

pub(super) const TSN: Spec = Spec::uint("tsn", "TSN", 4, 4);
pub(super) const STREAM: Spec = Spec::uint("stream", "Stream", 8, 2);
pub(super) const STREAM_SEQUENCE: Spec = Spec::uint("stream_sequence", "Stream sequence", 10, 2);
pub(super) const PAYLOAD_PROTOCOL: Spec =
    Spec::uint("payload_protocol", "Payload protocol", 12, 4).named(payload_protocol);
pub(super) const INIT_TAG: Spec = Spec::uint("init_tag", "Initiate tag", 4, 4);
pub(super) const WINDOW: Spec = Spec::uint("window", "Receiver window", 8, 4);
pub(super) const OUT_STREAMS: Spec = Spec::uint("out_streams", "Outbound streams", 12, 2);
pub(super) const IN_STREAMS: Spec = Spec::uint("in_streams", "Inbound streams", 14, 2);
pub(super) const INIT_TSN: Spec = Spec::uint("init_tsn", "Initial TSN", 16, 4);
pub(super) const CUMULATIVE: Spec = Spec::uint("cumulative_tsn", "Cumulative TSN", 4, 4);
pub(super) const GAPS: Spec = Spec::uint("gaps", "Gap blocks", 12, 2);
pub(super) const DUPLICATES: Spec = Spec::uint("duplicates", "Duplicate TSNs", 14, 2);

const INITS: &[Spec] = &[INIT_TAG, WINDOW, OUT_STREAMS, IN_STREAMS, INIT_TSN];

pub(super) const CHUNKS: &[Known] = &[
    Known {
        number: kind::DATA,
        name: "data",
        label: "DATA",
        fields: &[TSN, STREAM, STREAM_SEQUENCE, PAYLOAD_PROTOCOL],
    },
    Known { number: kind::INIT, name: "init", label: "INIT", fields: INITS },
    Known { number: kind::INIT_ACK, name: "init_ack", label: "INIT ACK", fields: INITS },
    Known {
        number: kind::SACK,
        name: "sack",
        label: "SACK",
        fields: &[CUMULATIVE, WINDOW, GAPS, DUPLICATES],
    },
    Known { number: 4, name: "heartbeat", label: "HB REQ", fields: &[] },
    Known { number: 5, name: "heartbeat_ack", label: "HB ACK", fields: &[] },
    Known { number: 6, name: "abort", label: "ABORT", fields: &[] },
    Known { number: kind::SHUTDOWN, name: "shutdown", label: "SHUTDOWN", fields: &[CUMULATIVE] },
    Known { number: 8, name: "shutdown_ack", label: "SHUTDOWN ACK", fields: &[] },
    Known { number: 9, name: "error", label: "OP ERR", fields: &[] },
    Known { number: 10, name: "cookie_echo", label: "COOKIE ECHO", fields: &[] },
    Known { number: 11, name: "cookie_ack", label: "COOKIE ACK", fields: &[] },
    Known { number: 12, name: "ecne", label: "ECN ECHO", fields: &[] },
    Known { number: 13, name: "cwr", label: "CWR", fields: &[] },
    Known { number: 14, name: "shutdown_complete", label: "SHUTDOWN COMPLETE", fields: &[] },
    Known { number: 15, name: "auth", label: "AUTH", fields: &[] },
    Known { number: 64, name: "i_data", label: "I-DATA", fields: &[TSN, STREAM] },
    Known { number: 128, name: "asconf_ack", label: "ASCONF-ACK", fields: &[] },
    Known { number: 130, name: "re_config", label: "RE-CONFIG", fields: &[] },
    Known { number: 132, name: "pad", label: "PAD", fields: &[] },
    Known { number: 192, name: "forward_tsn", label: "FORWARD TSN", fields: &[CUMULATIVE] },
    Known { number: 193, name: "asconf", label: "ASCONF", fields: &[] },
    Known { number: 194, name: "i_forward_tsn", label: "I-FORWARD-TSN", fields: &[CUMULATIVE] },
];

/// Payload protocol identifiers (IANA), as tcpdump calls them.
pub(super) fn payload_protocol(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "ISDN Q.921",
        2 => "M2UA",
        3 => "M3UA",
        4 => "SUA",
        5 => "M2PA",
        6 => "V5.2",
        7 => "H.248",
        8 => "BICC",
        18 => "S1AP",
        27 => "X2AP",
        _ => return None,
    })
}

/// The chunks of a packet.
pub(super) fn chunks<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let bytes = layer.bytes.get(HEADER..).unwrap_or_default();
    Tlvs::over(&RULE, bytes, layer.length.saturating_sub(HEADER))
}

fn emit_chunks(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    tlv::emit_all(("chunks", "Chunks"), chunks(layer), CHUNKS, layer.offset + HEADER, sink)
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    walk.push(Protocol::Sctp, span, span.room().max(HEADER));
    if !walk.is_whole() {
        walk.partial();
    }
    None
}
