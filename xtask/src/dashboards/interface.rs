//! One interface: what its packets are, and the kernel's own count beside the probe's.

use super::panel::{PLACE, areas, heat, lines, rate, ratio, unit};
use super::{Dashboard, Row, row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "interface",
        title: "Wireledger / Interface",
        description: "An interface in both directions: load, sizes, protocols, header facts, and the kernel's own counters beside the probe's.",
        rows: vec![load(), sizes(), protocols(), headers(), kernel()],
    }
}

fn load() -> Row {
    row(
        "Load",
        [
            lines("Bits", unit::BITS, "Wire bits a second, frames without FCS.")
                .ask(rate(PLACE.0, "wireledger_interface_bytes_total{PLACE}") + " * 8", PLACE.1),
            lines("Packets", unit::PACKETS, "Wire packets a second; super-packets of offloads are unfolded.")
                .ask(rate(PLACE.0, "wireledger_interface_packets_total{PLACE}"), PLACE.1),
            lines(
                "Distinct addresses",
                unit::COUNT,
                "Different sources and destinations of the last five minutes, estimated to about a hundredth.",
            )
            .ask(
                "sum by (instance, interface, direction) (wireledger_distinct_sources{PLACE})",
                "{{instance}} {{interface}} {{direction}} sources",
            )
            .ask(
                "sum by (instance, interface, direction) (wireledger_distinct_destinations{PLACE})",
                "{{instance}} {{interface}} {{direction}} destinations",
            ),
            lines(
                "Distinct flows",
                unit::COUNT,
                "Different flows of the last five minutes, estimated to about a hundredth.",
            )
            .ask("sum by (instance, interface, direction) (wireledger_distinct_flows{PLACE})", PLACE.1),
        ],
    )
}

fn sizes() -> Row {
    let whole = "wireledger_interface_packets_total{PLACE}";
    row(
        "Sizes",
        [
            heat("Frame sizes", unit::PACKETS, "Packets a second by frame size, bytes without FCS.")
                .ask(rate("le", "wireledger_packet_size_bytes_bucket{PLACE}"), "{{le}}"),
            lines("Mean frame size", unit::BYTES, "Bytes by packets.").ask(
                ratio(
                    PLACE.0,
                    "wireledger_packet_size_bytes_sum{PLACE}",
                    "wireledger_packet_size_bytes_count{PLACE}",
                ),
                PLACE.1,
            ),
            lines(
                "As large as the MTU",
                unit::SHARE,
                "Share of packets that fill the MTU or exceed it: bulk transfers.",
            )
            .ask(ratio(PLACE.0, "wireledger_full_size_packets_total{PLACE}", whole), PLACE.1),
            lines(
                "Fragments",
                unit::PACKETS,
                "IP fragments a second: first ones carry ports, later ones are put to their flow from memory.",
            )
            .ask(
                rate(
                    "instance, interface, direction, kind",
                    "wireledger_fragment_packets_total{PLACE}",
                ),
                "{{instance}} {{interface}} {{direction}} {{kind}}",
            ),
        ],
    )
}

fn protocols() -> Row {
    row(
        "Protocols",
        [
            areas("Packets by protocol", unit::PACKETS, "Packets with a flow key, by IP version and protocol.").ask(
                rate("version, protocol", "wireledger_ip_packets_total{PLACE}") + " > 0",
                "{{protocol}} over IPv{{version}}",
            ),
            areas("Bits by protocol", unit::BITS, "Bits of packets with a flow key, by IP version and protocol.").ask(
                format!(
                    "{} * 8 > 0",
                    rate("version, protocol", "wireledger_ip_bytes_total{PLACE}")
                ),
                "{{protocol}} over IPv{{version}}",
            ),
            areas(
                "Unread packets",
                unit::PACKETS,
                "Packets whose headers gave no flow key, by reason; docs/METRICS.md lists the reasons.",
            )
            .ask(rate("reason", "wireledger_unread_packets_total{PLACE}") + " > 0", "{{reason}}"),
            lines("TCP flags", unit::PACKETS, "TCP packets that had the flag set.").ask(
                rate("flag", "wireledger_tcp_flag_packets_total{PLACE}") + " > 0",
                "{{flag}}",
            ),
        ],
    )
}

fn headers() -> Row {
    row(
        "Header facts",
        [
            areas("DSCP", unit::PACKETS, "Packets by differentiated services code point (RFC 2474).")
                .ask(rate("dscp", "wireledger_dscp_packets_total{PLACE}") + " > 0", "dscp {{dscp}}"),
            areas("ECN", unit::PACKETS, "Packets by ECN field (RFC 3168).")
                .ask(rate("ecn", "wireledger_ecn_packets_total{PLACE}") + " > 0", "{{ecn}}"),
            lines(
                "Congestion marked",
                unit::SHARE,
                "Packets marked CE as a share of those that may be marked: a queue on the path is filling.",
            )
            .ask(
                ratio(
                    PLACE.0,
                    r#"wireledger_ecn_packets_total{PLACE, ecn="ce"}"#,
                    r#"wireledger_ecn_packets_total{PLACE, ecn!="not_ect"}"#,
                ),
                PLACE.1,
            )
            .steps(0.01, 0.1),
            lines(
                "Expiring packets",
                unit::PACKETS,
                "Packets with a TTL or hop limit of 0 or 1: traceroute, link-local protocols, or a routing loop.",
            )
            .ask(rate(PLACE.0, "wireledger_expiring_packets_total{PLACE}"), PLACE.1)
            .steps(10.0, 1000.0),
        ],
    )
}

fn kernel() -> Row {
    let by_kernel = rate(PLACE.0, "wireledger_kernel_packets_total{PLACE}");
    let by_probe = rate(PLACE.0, "wireledger_interface_packets_total{PLACE}");
    row(
        "The kernel's own counters",
        [
            lines(
                "Packets by the kernel",
                unit::PACKETS,
                "The kernel's counters of the same interface. Offloads and where a hook sits let them differ from the probe's.",
            )
            .ask(by_kernel.clone(), PLACE.1),
            lines(
                "Bits by the kernel",
                unit::BITS,
                "The kernel's counters of the same interface, in bits a second.",
            )
            .ask(rate(PLACE.0, "wireledger_kernel_bytes_total{PLACE}") + " * 8", PLACE.1),
            lines(
                "The probe's packets by the kernel's",
                unit::SHARE,
                "1 where both count alike; more where the kernel counts super-packets of offloads once; 0: the probe sees nothing.",
            )
            .ask(format!("{by_probe} / {by_kernel}"), PLACE.1),
            lines("Drops and errors", unit::PACKETS, "What the kernel calls dropped or faulty.")
                .ask(
                    rate(PLACE.0, "wireledger_kernel_drops_total{PLACE}"),
                    "{{instance}} {{interface}} {{direction}} drops",
                )
                .ask(
                    rate(PLACE.0, "wireledger_kernel_errors_total{PLACE}"),
                    "{{instance}} {{interface}} {{direction}} errors",
                )
                .steps(1.0, 100.0),
        ],
    )
}
