//! The overview: every daemon at a glance, and where to look next.

use super::panel::{self, HOST, areas, lines, most, number, rate, ratio, table, unit};
use super::{Dashboard, Row, row};

/// Labels of an interface, both directions together.
const INTERFACE: (&str, &str) = ("instance, interface", "{{instance}} {{interface}}");

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "overview",
        title: "Wireledger / Overview",
        description: "Every host that Wireledger watches: how much traffic, is every packet accounted for, is TCP well.",
        rows: vec![now(), traffic(), health(), who()],
    }
}

fn now() -> Row {
    row(
        "Now",
        [
            number("Daemons down", unit::COUNT, "Daemons that Prometheus cannot scrape.")
                .ask("sum(up{HOST} == bool 0)", "down")
                .zero_is_good(),
            number(
                "Ledger balances",
                unit::YES,
                "Whether seen = flows + overflow + unread on every interface, direction and CPU. No is a bug.",
            )
            .ask("min(wireledger_ledger_balanced{PLACE})", "balanced")
            .one_is_good(),
            number("Packets", unit::PACKETS, "Packets a second, both directions together.").ask(
                "sum(rate(wireledger_interface_packets_total{PLACE}[$__rate_interval]))",
                "packets",
            ),
            number("Bits", unit::BITS, "Wire bits a second (frames without FCS), both directions together.").ask(
                "sum(rate(wireledger_interface_bytes_total{PLACE}[$__rate_interval])) * 8",
                "bits",
            ),
            number("Flows", unit::COUNT, "Flows that are not idle.")
                .ask("sum(wireledger_flows{HOST})", "flows"),
            number(
                "Overflow",
                unit::PACKETS,
                "Packets a second that were counted by protocol only, since their flow got no table entry.",
            )
            .ask(
                "sum(rate(wireledger_overflow_packets_total{PLACE}[$__rate_interval]))",
                "overflow",
            )
            .zero_is_good(),
        ],
    )
}

fn traffic() -> Row {
    let place = panel::PLACE;
    row(
        "Traffic",
        [
            lines("Bits", unit::BITS, "Wire bits a second of each interface and direction.")
                .ask(rate(place.0, "wireledger_interface_bytes_total{PLACE}") + " * 8", place.1),
            lines("Packets", unit::PACKETS, "Packets a second of each interface and direction.")
                .ask(rate(place.0, "wireledger_interface_packets_total{PLACE}"), place.1),
            areas("Packets by protocol", unit::PACKETS, "Packets with a flow key, by protocol.")
                .ask(
                    rate("protocol", "wireledger_ip_packets_total{PLACE}") + " > 0",
                    "{{protocol}}",
                ),
            lines(
                "Flows begun",
                unit::EVENTS,
                "Flows that began, a second. A jump without more bytes is a scan or a flood.",
            )
            .ask(rate(INTERFACE.0, "wireledger_flows_begun_total{PLACE}"), INTERFACE.1),
        ],
    )
}

fn health() -> Row {
    let whole = "wireledger_interface_packets_total{PLACE}";
    row(
        "Health",
        [
            lines(
                "Packets without a flow",
                unit::SHARE,
                "Share of packets that are in overflow, or unread: counted, but in no flow.",
            )
            .ask(ratio(HOST.0, "wireledger_overflow_packets_total{PLACE}", whole), "{{instance}} overflow")
            .ask(ratio(HOST.0, "wireledger_unread_packets_total{PLACE}", whole), "{{instance}} unread")
            .steps(0.05, 0.2),
            lines(
                "TCP retransmitted",
                unit::SHARE,
                "Retransmitted segments as a share of all TCP packets, as seen at this host.",
            )
            .ask(
                ratio(
                    INTERFACE.0,
                    "wireledger_tcp_retransmitted_packets_total{PLACE}",
                    r#"wireledger_ip_packets_total{PLACE, protocol="tcp"}"#,
                ),
                INTERFACE.1,
            )
            .steps(0.01, 0.05),
            lines(
                "TCP handshakes that fail",
                unit::SHARE,
                "Refused, abandoned and expired handshakes as a share of those whose end is known.",
            )
            .ask(
                ratio(
                    INTERFACE.0,
                    r#"wireledger_tcp_handshakes_total{PLACE, outcome=~"refused|abandoned|expired"}"#,
                    r#"wireledger_tcp_handshakes_total{PLACE, outcome!="untracked"}"#,
                ),
                INTERFACE.1,
            )
            .steps(0.1, 0.5),
            lines(
                "Drops and errors of the kernel",
                unit::PACKETS,
                "What the kernel's own interface counters call dropped or faulty.",
            )
            .ask(rate(INTERFACE.0, "wireledger_kernel_drops_total{PLACE}"), "{{instance}} {{interface}} drops")
            .ask(rate(INTERFACE.0, "wireledger_kernel_errors_total{PLACE}"), "{{instance}} {{interface}} errors")
            .steps(1.0, 100.0),
        ],
    )
}

fn who() -> Row {
    row(
        "Who",
        [
            table(
                "Top hosts",
                unit::BYTES,
                "Far ends with the most bytes in the time shown, both directions; other is everybody else together.",
            )
            .ask(most(15, "host", "wireledger_top_host_bytes_total{PLACE}"), "{{host}}"),
            table(
                "Attached",
                unit::COUNT,
                "The hook that watches each direction. None in both directions: the interface is gone or cannot be watched.",
            )
            .ask(
                "sum by (instance, interface, direction, mode) (wireledger_attach_info{PLACE})",
                "{{interface}} {{direction}} {{mode}}",
            ),
        ],
    )
}
