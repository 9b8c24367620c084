//! TCP (RFC 9293) and its options.

use std::io;

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    names,
    sink::{Node, Sink, Value},
    tlv::{self, Known, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 20;

pub(super) const SOURCE: Spec =
    Spec::uint("source_port", "Source port", 0, 2).named(names::tcp_port);
pub(super) const DESTINATION: Spec =
    Spec::uint("destination_port", "Destination port", 2, 2).named(names::tcp_port);
pub(super) const SEQUENCE: Spec = Spec::uint("sequence", "Sequence number", 4, 4);
pub(super) const ACKNOWLEDGMENT: Spec = Spec::uint("acknowledgment", "Acknowledgment number", 8, 4);
pub(super) const HEADER_LENGTH: Spec =
    Spec::uint("header_length", "Header length", 12, 1).bits(0xf0).times(4);
const RESERVED: Spec = Spec::uint("reserved", "Reserved", 12, 1).bits(0x0e);
/// AE: RFC 9768, once NS.
pub(super) const FLAGS: Spec = Spec::hex("flags", "Flags", 12, 2)
    .bits(0x01ff)
    .flags(&[AE, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN]);
pub(super) const AE: Spec = Spec::flag("ae", "AE", 12, 2, 0x100);
pub(super) const CWR: Spec = Spec::flag("cwr", "CWR", 12, 2, 0x080);
pub(super) const ECE: Spec = Spec::flag("ece", "ECE", 12, 2, 0x040);
pub(super) const URG: Spec = Spec::flag("urg", "URG", 12, 2, 0x020);
pub(super) const ACK: Spec = Spec::flag("ack", "ACK", 12, 2, 0x010);
pub(super) const PSH: Spec = Spec::flag("psh", "PSH", 12, 2, 0x008);
pub(super) const RST: Spec = Spec::flag("rst", "RST", 12, 2, 0x004);
pub(super) const SYN: Spec = Spec::flag("syn", "SYN", 12, 2, 0x002);
pub(super) const FIN: Spec = Spec::flag("fin", "FIN", 12, 2, 0x001);
pub(super) const WINDOW: Spec = Spec::uint("window", "Window", 14, 2);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 16, 2);
pub(super) const URGENT: Spec = Spec::uint("urgent_pointer", "Urgent pointer", 18, 2);

/// Then `payload_length`, and options as `options`: `name`, `kind`, `length` and what [`OPTIONS`] has for the kind.
pub(super) const TCP: Description = Description::new(
    "tcp",
    "Transmission Control Protocol",
    &[
        SOURCE,
        DESTINATION,
        SEQUENCE,
        ACKNOWLEDGMENT,
        HEADER_LENGTH,
        RESERVED,
        FLAGS,
        WINDOW,
        CHECKSUM,
        URGENT,
    ],
)
.with(|layer, sink| {
    if layer.fault().is_none() && layer.bytes.len() >= HEADER {
        let length = Value::Uint(layer.room.saturating_sub(layer.length) as u64);
        sink.leaf(&Node::of("payload_length", "Payload length", layer.offset, 0, length))?;
    }
    emit_options(layer, sink)
});

fn emit_options(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    tlv::emit_all(("options", "Options"), options(layer), OPTIONS, layer.offset + HEADER, sink)
}

const KIND: Spec = Spec::uint("kind", "Kind", 0, 1);
const LENGTH: Spec = Spec::uint("length", "Length", 1, 1);

/// RFC 9293 section 3.1.
static RULE: Rule = Rule {
    head: &[KIND, LENGTH],
    singles: 2,
    end: Some(kind::END),
    kind: KIND,
    length: |bytes| LENGTH.get(bytes).map(|length| length as usize),
    least: 2,
    align: 1,
    called: "option length",
};

/// TCP option kinds (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const END: u64 = 0;
    pub(in crate::dissect) const NO_OPERATION: u64 = 1;
    pub(in crate::dissect) const MSS: u64 = 2;
    pub(in crate::dissect) const WINDOW_SCALE: u64 = 3;
    pub(in crate::dissect) const SACK_PERMITTED: u64 = 4;
    pub(in crate::dissect) const SACK: u64 = 5;
    pub(in crate::dissect) const ECHO: u64 = 6;
    pub(in crate::dissect) const ECHO_REPLY: u64 = 7;
    pub(in crate::dissect) const TIMESTAMP: u64 = 8;
    pub(in crate::dissect) const CC: u64 = 11;
    pub(in crate::dissect) const CC_NEW: u64 = 12;
    pub(in crate::dissect) const CC_ECHO: u64 = 13;
    pub(in crate::dissect) const MD5: u64 = 19;
    pub(in crate::dissect) const AUTHENTICATION: u64 = 29;
    pub(in crate::dissect) const MPTCP: u64 = 30;
    pub(in crate::dissect) const FAST_OPEN: u64 = 34;
    pub(in crate::dissect) const EXPERIMENT_1: u64 = 253;
    pub(in crate::dissect) const EXPERIMENT_2: u64 = 254;
}

pub(super) const MSS: Spec = Spec::uint("mss", "MSS", 2, 2);
pub(super) const SHIFT: Spec = Spec::uint("shift", "Shift", 2, 1);
pub(super) const LEFT: Spec = Spec::uint("left", "Left edge", 0, 4);
pub(super) const RIGHT: Spec = Spec::uint("right", "Right edge", 4, 4);
pub(super) const ECHO: Spec = Spec::uint("value", "Value", 2, 4);
pub(super) const TIMESTAMP: Spec = Spec::uint("value", "Timestamp", 2, 4);
pub(super) const TIMESTAMP_ECHO: Spec = Spec::uint("echo", "Echo reply", 6, 4);
/// RFC 8684 section 3.
pub(super) const SUBTYPE: Spec =
    Spec::uint("subtype", "Subtype", 2, 1).bits(0xf0).named(mptcp_name);
pub(super) const EXPERIMENT: Spec = Spec::hex("experiment", "Experiment", 2, 2);

const DATA: Spec = Spec::bytes("data", "Data", 2, 0);
const ECHOES: &[Spec] = &[ECHO];
const EXPERIMENTS: &[Spec] = &[EXPERIMENT, Spec::bytes("data", "Data", 4, 0)];

pub(super) const OPTIONS: &[Known] = &[
    Known { number: kind::END, name: "eol", label: "End of options", fields: &[] },
    Known { number: kind::NO_OPERATION, name: "nop", label: "No operation", fields: &[] },
    Known { number: kind::MSS, name: "mss", label: "Maximum segment size", fields: &[MSS] },
    Known { number: kind::WINDOW_SCALE, name: "wscale", label: "Window scale", fields: &[SHIFT] },
    Known {
        number: kind::SACK_PERMITTED,
        name: "sack_permitted",
        label: "SACK permitted",
        fields: &[],
    },
    Known {
        number: kind::SACK,
        name: "sack",
        label: "SACK",
        fields: &[Spec::rows("blocks", "Block", 2, 8, &[LEFT, RIGHT])],
    },
    Known { number: kind::ECHO, name: "echo", label: "Echo", fields: ECHOES },
    Known { number: kind::ECHO_REPLY, name: "echo_reply", label: "Echo reply", fields: ECHOES },
    Known {
        number: kind::TIMESTAMP,
        name: "timestamp",
        label: "Timestamps",
        fields: &[TIMESTAMP, TIMESTAMP_ECHO],
    },
    Known { number: kind::CC, name: "cc", label: "Connection count", fields: ECHOES },
    Known { number: kind::CC_NEW, name: "cc_new", label: "Connection count, new", fields: ECHOES },
    Known {
        number: kind::CC_ECHO,
        name: "cc_echo",
        label: "Connection count, echo",
        fields: ECHOES,
    },
    Known {
        number: kind::MD5,
        name: "md5",
        label: "MD5 signature",
        fields: &[Spec::bytes("digest", "Digest", 2, 16)],
    },
    Known {
        number: kind::AUTHENTICATION,
        name: "ao",
        label: "Authentication",
        fields: &[
            Spec::uint("key_id", "Key id", 2, 1),
            Spec::uint("next_key_id", "Next key id", 3, 1),
            Spec::bytes("mac", "MAC", 4, 0),
        ],
    },
    Known { number: kind::MPTCP, name: "mptcp", label: "Multipath TCP", fields: &[SUBTYPE, DATA] },
    Known {
        number: kind::FAST_OPEN,
        name: "fast_open",
        label: "Fast open",
        fields: &[Spec::bytes("cookie", "Cookie", 2, 0)],
    },
    Known {
        number: kind::EXPERIMENT_1,
        name: "experiment",
        label: "Experiment",
        fields: EXPERIMENTS,
    },
    Known {
        number: kind::EXPERIMENT_2,
        name: "experiment",
        label: "Experiment",
        fields: EXPERIMENTS,
    },
];

/// MPTCP subtypes, as tcpdump calls them.
pub(super) fn mptcp_name(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 9] =
        ["capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close", "reset"];
    NAMES.get(number as usize).copied()
}

/// The options of a header.
pub(super) fn options<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let bytes = layer.bytes.get(HEADER..).unwrap_or_default();
    Tlvs::over(&RULE, bytes, layer.length.saturating_sub(HEADER))
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    let first = walk.captured(span.within(HEADER));
    let claimed = HEADER_LENGTH.get(first).map_or(HEADER, |length| length as usize);
    let bytes = walk.push(Protocol::Tcp, span, claimed.max(HEADER));
    if bytes.len() < HEADER && (walk.fragmented || walk.quoted) {
        walk.partial();
    }
    if claimed < HEADER {
        walk.worst(Fault::short("header length", claimed, "minimum", HEADER));
        return None;
    }
    if claimed > span.room() {
        // A first fragment may end inside the options.
        if !walk.fragmented && !walk.quoted && span.room() >= HEADER {
            walk.worst(Fault::long("header length", claimed, "available", span.room()));
        } else if span.room() >= HEADER {
            walk.partial();
        }
        return None;
    }
    Some((Next::Payload, span.behind(claimed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stop_behind_a_malformed_one() {
        let bytes = [1, 2, 1, 5, 180, 1, 1];
        let kinds: Vec<_> =
            Tlvs::over(&RULE, &bytes, 7).map(|tlv| (tlv.kind, tlv.fault.is_some())).collect();
        assert_eq!(kinds, [(1, false), (2, true)]);
    }

    #[test]
    fn options_of_which_not_all_was_captured_are_cut() {
        let mut options = Tlvs::over(&RULE, &[2, 4, 5], 4);
        assert_eq!(options.next().map(|tlv| tlv.bytes.len()), Some(3));
        assert!(options.next().is_none() && options.is_cut());
    }
}
