//! Flows and top talkers: who, to whom, how much, how long.

use super::panel::{PLACE, lines, most, quantile, rate, ratio, table, unit};
use super::{Dashboard, Row, row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "talkers",
        title: "Wireledger / Flows and top talkers",
        description: "Who talks most, by flow, conversation, host and port, and what the flows are like. What is in no table's lines is in its line other.",
        rows: vec![tables(), over_time(), flows(), room()],
    }
}

fn tables() -> Row {
    row(
        "Most bytes in the time shown",
        [
            table(
                "Conversations",
                unit::BYTES,
                "Both directions together; local is this host's side as its interface sees it. Names come from --names.",
            )
            .ask(
                most(
                    25,
                    "instance, interface, protocol, local, local_port, local_name, remote, remote_port, remote_name",
                    r#"wireledger_top_conversation_bytes_total{PLACE, local!="other"}"#,
                ),
                "{{local}} {{remote}}",
            )
            .wide(),
            table("Flows", unit::BYTES, "One direction each, with VLAN ids and the tunnel it came out of.")
                .ask(
                    most(
                        25,
                        "instance, interface, direction, protocol, vlan, tunnel, source, source_port, source_name, destination, \
                         destination_port, destination_name",
                        r#"wireledger_top_flow_bytes_total{PLACE, source!="other"}"#,
                    ),
                    "{{source}} {{destination}}",
                )
                .wide(),
            table("Hosts", unit::BYTES, "The far ends, by address or by the name that --names gives it.").ask(
                most(
                    25,
                    "instance, interface, direction, host",
                    r#"wireledger_top_host_bytes_total{PLACE, host!="other"}"#,
                ),
                "{{host}}",
            ),
            table("Ports", unit::BYTES, "The lower port of each flow, by number or by the name that --names gives it.").ask(
                most(
                    25,
                    "instance, interface, direction, protocol, port",
                    r#"wireledger_top_port_bytes_total{PLACE, port!="other"}"#,
                ),
                "{{protocol}} {{port}}",
            ),
        ],
    )
}

fn over_time() -> Row {
    row(
        "Over time",
        [
            lines("Hosts", unit::BITS, "The ten hosts with the most bits a second.").ask(
                format!(
                    "topk(10, {} * 8)",
                    rate("host", r#"wireledger_top_host_bytes_total{PLACE, host!="other"}"#)
                ),
                "{{host}}",
            ),
            lines("Ports", unit::BITS, "The ten ports with the most bits a second.").ask(
                format!(
                    "topk(10, {} * 8)",
                    rate(
                        "protocol, port",
                        r#"wireledger_top_port_bytes_total{PLACE, port!="other"}"#
                    )
                ),
                "{{protocol}} {{port}}",
            ),
            lines("Hosts by packets", unit::PACKETS, "The ten hosts with the most packets a second: floods show here first.").ask(
                format!(
                    "topk(10, {})",
                    rate("host", r#"wireledger_top_host_packets_total{PLACE, host!="other"}"#)
                ),
                "{{host}}",
            ),
            lines(
                "In no line of its own",
                unit::SHARE,
                "Share of packets in the line other of each table. Near 1 nobody stands out, or the tables are too small.",
            )
            .ask(
                ratio(
                    "instance, interface",
                    r#"wireledger_top_flow_packets_total{PLACE, source="other"}"#,
                    "wireledger_top_flow_packets_total{PLACE}",
                ),
                "{{instance}} {{interface}} flows",
            )
            .ask(
                ratio(
                    "instance, interface",
                    r#"wireledger_top_conversation_packets_total{PLACE, local="other"}"#,
                    "wireledger_top_conversation_packets_total{PLACE}",
                ),
                "{{instance}} {{interface}} conversations",
            )
            .ask(
                ratio(
                    "instance, interface",
                    r#"wireledger_top_host_packets_total{PLACE, host="other"}"#,
                    "wireledger_top_host_packets_total{PLACE}",
                ),
                "{{instance}} {{interface}} hosts",
            )
            .ask(
                ratio(
                    "instance, interface",
                    r#"wireledger_top_port_packets_total{PLACE, port="other"}"#,
                    "wireledger_top_port_packets_total{PLACE}",
                ),
                "{{instance}} {{interface}} ports",
            ),
        ],
    )
}

/// The median and the slow end of a histogram, by direction.
fn spread(panel: super::Panel, buckets: &str) -> super::Panel {
    let by = "instance, interface, direction";
    panel
        .ask(quantile(0.5, by, buckets), "{{instance}} {{interface}} {{direction}} median")
        .ask(quantile(0.95, by, buckets), "{{instance}} {{interface}} {{direction}} 95 %")
}

fn flows() -> Row {
    row(
        "Flows",
        [
            lines("Flows begun", unit::EVENTS, "New flows a second.")
                .ask(rate(PLACE.0, "wireledger_flows_begun_total{PLACE}"), PLACE.1),
            spread(
                lines(
                    "How long flows last",
                    unit::SECONDS,
                    "First to last packet of flows that ended.",
                ),
                "wireledger_flow_duration_seconds_bucket{PLACE}",
            ),
            spread(
                lines("Bytes of a flow", unit::BYTES, "Of flows that ended."),
                "wireledger_flow_size_bytes_bucket{PLACE}",
            ),
            spread(
                lines("Packets of a flow", unit::COUNT, "Of flows that ended."),
                "wireledger_flow_size_packets_bucket{PLACE}",
            ),
        ],
    )
}

fn room() -> Row {
    row(
        "Room",
        [
            lines(
                "Flow table",
                unit::SHARE,
                "Live flows as a share of what the table holds. Beyond a half, new flows begin to find no entry (overflow).",
            )
            .ask("wireledger_flows{HOST} / wireledger_flow_table_capacity{HOST}", "{{instance}}")
            .steps(0.5, 0.75),
            lines("Lines of the tables", unit::COUNT, "Most lines that each top table may have within the series budget.").ask(
                "sum by (instance, dimension) (wireledger_top_limit{HOST})",
                "{{instance}} {{dimension}}",
            ),
        ],
    )
}
