//! TCP's health: handshakes and their times, losses, stalls.

use super::panel::{PLACE, areas, lines, number, quantile, rate, ratio, unit};
use super::{Dashboard, Row, row};

/// An interface and the direction of the SYN.
const BEGUN: &str = "instance, interface, direction";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "tcp",
        title: "Wireledger / TCP health",
        description: "Handshakes and their times, retransmissions, reordering and stalls, from the headers that pass this host. \
                      The direction of a handshake is that of its SYN: ingress is clients of this host.",
        rows: vec![now(), handshakes(), times(), segments()],
    }
}

fn now() -> Row {
    row(
        "Now",
        [
            number("Handshakes completed", unit::EVENTS, "Three-way handshakes completed, a second.").ask(
                r#"sum(rate(wireledger_tcp_handshakes_total{PLACE, outcome="completed"}[$__rate_interval]))"#,
                "completed",
            ),
            number("Handshakes open", unit::COUNT, "SYNs that are waiting for the rest of their handshake. Many: a flood, or a dead server.")
                .ask("sum(wireledger_tcp_handshakes_open{HOST})", "open"),
            number("SYN", unit::PACKETS, "SYN packets a second, both directions.").ask(
                r#"sum(rate(wireledger_tcp_control_packets_total{PLACE, kind="syn"}[$__rate_interval]))"#,
                "SYN",
            ),
            number("RST", unit::PACKETS, "RST packets a second, both directions.").ask(
                r#"sum(rate(wireledger_tcp_control_packets_total{PLACE, kind="rst"}[$__rate_interval]))"#,
                "RST",
            ),
            number("Retransmitted", unit::PACKETS, "Retransmitted segments a second.").ask(
                "sum(rate(wireledger_tcp_retransmitted_packets_total{PLACE}[$__rate_interval]))",
                "retransmitted",
            ),
            number("Zero windows", unit::PACKETS, "Segments a second that close the receive window: a reader does not keep up.").ask(
                "sum(rate(wireledger_tcp_zero_window_packets_total{PLACE}[$__rate_interval]))",
                "zero windows",
            ),
        ],
    )
}

fn handshakes() -> Row {
    let failed = r#"wireledger_tcp_handshakes_total{PLACE, outcome=~"refused|abandoned|expired"}"#;
    let known = r#"wireledger_tcp_handshakes_total{PLACE, outcome!="untracked"}"#;
    row(
        "Handshakes",
        [
            areas(
                "Outcomes",
                unit::EVENTS,
                "How handshakes end: completed; refused by RST; abandoned for another SYN; expired unanswered; untracked for want of room.",
            )
            .ask(
                rate("direction, outcome", "wireledger_tcp_handshakes_total{PLACE}") + " > 0",
                "{{direction}} {{outcome}}",
            ),
            lines("Failing", unit::SHARE, "Refused, abandoned and expired ones as a share of those whose end is known.")
                .ask(ratio(BEGUN, failed, known), PLACE.1)
                .steps(0.1, 0.5),
            lines("SYN and handshakes", unit::EVENTS, "SYN packets beside completed handshakes. In a SYN flood the first leaves the second behind.")
                .ask(
                    rate("direction", r#"wireledger_tcp_control_packets_total{PLACE, kind="syn"}"#),
                    "{{direction}} SYN",
                )
                .ask(
                    rate("direction", r#"wireledger_tcp_handshakes_total{PLACE, outcome="completed"}"#),
                    "{{direction}} completed",
                ),
            lines("Control packets", unit::PACKETS, "SYN, SYN-ACK, FIN and RST packets.").ask(
                rate("direction, kind", "wireledger_tcp_control_packets_total{PLACE}"),
                "{{direction}} {{kind}}",
            ),
        ],
    )
}

fn times() -> Row {
    let leg =
        |leg: &str| format!("wireledger_tcp_handshake_seconds_bucket{{PLACE, leg=\"{leg}\"}}");
    let spread = |panel: super::Panel, of: &str| {
        panel
            .ask(quantile(0.5, BEGUN, &leg(of)), "{{instance}} {{interface}} {{direction}} median")
            .ask(quantile(0.95, BEGUN, &leg(of)), "{{instance}} {{interface}} {{direction}} 95 %")
            .ask(quantile(0.99, BEGUN, &leg(of)), "{{instance}} {{interface}} {{direction}} 99 %")
    };
    row(
        "Handshake times",
        [
            spread(
                lines(
                    "SYN to SYN-ACK",
                    unit::SECONDS,
                    "The answering side's time as seen here: this host's own for ingress, network and far host for egress.",
                ),
                "synack",
            ),
            spread(
                lines(
                    "SYN-ACK to ACK",
                    unit::SECONDS,
                    "The asking side's time as seen here: network and client for ingress, this host's own for egress.",
                ),
                "ack",
            ),
            lines(
                "Mean times",
                unit::SECONDS,
                "Mean of both legs; their sum is the round-trip time of the handshake.",
            )
            .ask(
                ratio(
                    "instance, interface, direction, leg",
                    "wireledger_tcp_handshake_seconds_sum{PLACE}",
                    "wireledger_tcp_handshake_seconds_count{PLACE}",
                ),
                "{{instance}} {{interface}} {{direction}} {{leg}}",
            )
            .wide(),
        ],
    )
}

fn segments() -> Row {
    let tcp = r#"wireledger_ip_packets_total{PLACE, protocol="tcp"}"#;
    row(
        "Segments",
        [
            lines(
                "Retransmitted",
                unit::SHARE,
                "Share of TCP packets. Egress: losses behind this host; ingress: losses before it, or far-end time-outs.",
            )
            .ask(ratio(BEGUN, "wireledger_tcp_retransmitted_packets_total{PLACE}", tcp), PLACE.1)
            .steps(0.01, 0.05),
            lines("Out of order", unit::SHARE, "Share of TCP packets that came late into a gap: several paths, or a requeueing driver.")
                .ask(ratio(BEGUN, "wireledger_tcp_out_of_order_packets_total{PLACE}", tcp), PLACE.1)
                .steps(0.01, 0.05),
            lines("Zero windows", unit::PACKETS, "Segments that close the receive window. Egress: this host's programs read too slowly; ingress: the far ones do.")
                .ask(rate(BEGUN, "wireledger_tcp_zero_window_packets_total{PLACE}"), PLACE.1)
                .steps(1.0, 100.0),
            lines("Keep-alives", unit::PACKETS, "Segments that only ask whether the other side is there.")
                .ask(rate(BEGUN, "wireledger_tcp_keep_alive_packets_total{PLACE}"), PLACE.1),
        ],
    )
}
