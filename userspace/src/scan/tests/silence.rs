//! What is ordinary raises nothing: the table of docs/SCANS.md, line by line.

use wireledger_common::wire::tcp_flags::{FIN, PSH};

use super::{super::Shape, *};

/// A host that does all of this by itself.
const CLIENT: u32 = 0xc0a8_0005;
/// The first of many.
const SERVERS: u32 = 0x5000_0000;

fn silent(what: &str, all: impl IntoIterator<Item = Try>) {
    let mut scene = Scene::new();
    scene.attempts(20 * MILLISECOND, all);
    scene.assert_silent(what);
}

#[test]
fn a_browser_whose_quic_is_blocked() {
    silent(
        "browser",
        (0..200).flat_map(|n| {
            let site = SERVERS + n;
            let near = 32_768 + n as u16 * 5;
            let page = (1..5).map(move |more| syn(CLIENT, site, (near + more, 443)).completed());
            [udp(CLIENT, site, (near, 443))].into_iter().chain(page)
        }),
    );
}

#[test]
fn a_resolver_whose_servers_do_not_all_answer() {
    silent(
        "resolver",
        (0..2000).map(|n| {
            let this = udp(CLIENT, SERVERS + n % 500, (32_768 + n as u16, 53));
            if n % 3 == 0 { this } else { this.answered() }
        }),
    );
}

/// Addresses in networks of their own.
const fn scattered(n: u32) -> u32 {
    SERVERS.wrapping_add(n.wrapping_mul(0x0101_3701))
}

#[test]
fn a_client_and_a_resolver_whose_network_is_down() {
    let near = |n: u32| 32_768 + n as u16;
    silent("client", (0..200).map(|n| syn(CLIENT, scattered(n), (near(n), 443))));
    silent("resolver", (0..2000).map(|n| udp(CLIENT, scattered(n), (near(n), 53))));
    // A worm is not.
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, (0..1000).map(|n| syn(CLIENT, scattered(n), (near(n), 23))));
    assert_eq!(scene.verdict().shape, Shape::HostSweep);
}

#[test]
fn a_load_balancer_whose_backends_all_go_down() {
    for backends in [12, 60, 500] {
        let check =
            move |n: u32| syn(CLIENT, SERVERS + n % backends, (32_768 + n as u16 % 20_000, 8080));
        let up = (0..backends * 5).map(move |n| check(n).completed());
        let down = (0..backends * 5).map(move |n| check(n).refused());
        silent("load balancer", up.chain(down));
    }
}

#[test]
fn a_host_of_many_containers_that_goes_down() {
    let check = |n: u32| syn(CLIENT, SERVERS, (32_768 + n as u16, 8000 + (n % 500) as u16));
    let others = |n: u32| syn(CLIENT, SERVERS + 1 + n, (32_768, 443)).completed();
    let up = (0..2000).flat_map(move |n| [check(n).completed(), others(n % 300)]);
    let down = (0..2000).flat_map(move |n| [check(n).refused(), others(n % 300)]);
    silent("containers", up.chain(down));
}

#[test]
fn half_open_checks_of_a_few_backends() {
    silent(
        "checks",
        (0..4000).map(|n| syn(CLIENT, SERVERS + n % 8, (32_768 + n as u16, 80)).half_open()),
    );
}

#[test]
fn peers_of_whom_half_are_gone() {
    silent(
        "peers",
        (0..3000).flat_map(|n| {
            let port = if n % 8 == 0 { 6881 } else { 1024 + (n * 7919 % 60_000) as u16 };
            let dht = udp(CLIENT, SERVERS + n, (51_413, port));
            let tcp = syn(CLIENT, SERVERS + n, (32_768 + n as u16, port));
            match n % 4 {
                0 => [dht, tcp.completed()],
                1 => [dht.answered(), tcp.refused()],
                _ => [dht, tcp],
            }
        }),
    );
}

#[test]
fn a_crowd_behind_one_address_of_whom_some_fail() {
    silent(
        "crowd",
        (0..5000).map(|n| {
            let this = syn(CLIENT, SERVERS + n % 9, (n as u16, [80, 443, 25][n as usize % 3]));
            if n % 5 == 0 { this } else { this.completed() }
        }),
    );
}

#[test]
fn passive_ftp() {
    silent("ftp", (0..500).map(|n| syn(CLIENT, SERVERS, (32_768 + n, 20_000 + n * 3)).completed()));
}

#[test]
fn a_traceroute_by_udp() {
    silent(
        "traceroute",
        (0..90)
            .map(|n| Try { ttl: 1 + (n / 3) as u8, ..udp(CLIENT, SERVERS, (45_000, 33_434 + n)) }),
    );
}

#[test]
fn a_client_that_fails_at_the_same_port_again_and_again() {
    silent("retries", (0..2000).map(|n| syn(CLIENT, SERVERS, (32_768 + n, 8443)).refused()));
    let knocks = [7000, 8000, 9000, 7000, 8000, 9000];
    silent("knocks", knocks.into_iter().map(|port| syn(CLIENT, SERVERS, (40_000, port))));
}

#[test]
fn connections_that_were_there_before_and_are_reset() {
    // A server's last words to a crowd of idle clients, and a client's to many servers.
    for flags in [ACK, FIN | ACK] {
        let last = |this: Try| Try { flags: (flags, flags | RST), length: 66, packets: 2, ..this };
        silent("server", (0..500).map(|n| last(syn(SERVERS, CLIENT, (443, 32_768 + n))).refused()));
        silent("server", (0..500).map(|n| last(syn(SERVERS, CLIENT + n, (443, 32_768)))));
        silent(
            "client",
            (0..500)
                .map(|n| last(syn(CLIENT, SERVERS + n, (32_768 + n as u16 * 7, 443))).refused()),
        );
    }
    // Transfers that go on.
    let data = |this: Try| Try { flags: (ACK, ACK), packets: 400, length: 1514, ..this };
    silent("data", (0..500).map(|n| data(syn(CLIENT, SERVERS, (n, 5000 + n)))));
}

#[test]
fn answers_whose_questions_were_not_seen() {
    silent("answers", (0..2000).map(|n| udp(SERVERS, CLIENT, (53, 32_768 + n))));
    let both = SYN | ACK;
    silent(
        "asymmetric routing",
        (0..2000).map(|n| Try { flags: (both, both), ..syn(SERVERS, CLIENT, (443, 32_768 + n)) }),
    );
    silent("resets", (0..2000).map(|n| Try { flags: (RST, RST), ..syn(SERVERS, CLIENT, (80, n)) }));
}

#[test]
fn answers_that_take_another_way() {
    silent(
        "asymmetric routing",
        (0..2000).map(|n| Try {
            flags: (SYN, SYN | ACK | PSH),
            packets: 9,
            ..syn(CLIENT, SERVERS + n, (32_768 + n as u16, 443))
        }),
    );
}

#[test]
fn udp_that_goes_one_way() {
    for port in [4789, 6343, 514, 8125, 2055] {
        silent("one way", (0..100).map(|n| udp(CLIENT, SERVERS + n, (40_000 + n as u16, port))));
    }
    let stream = |n| Try { packets: 500, ..udp(CLIENT, SERVERS + n, (40_000, 5004)) };
    silent("streams", (0..100).map(stream));
    let groups = (0..100).map(|n| udp(CLIENT, 0xe000_0000 + n, (5353, 5353)));
    silent("multicast", groups);
}

#[test]
fn conferences_that_try_every_candidate() {
    silent(
        "candidates",
        (0..30).flat_map(|peer| {
            (0..4).map(move |n| {
                udp(CLIENT, SERVERS + peer, (50_000 + n, 10_000 + peer as u16 * 31 + n))
            })
        }),
    );
}

#[test]
fn a_monitor_that_pings_a_few_hosts() {
    silent(
        "pings",
        (0..500).map(|n| {
            let this = ping(CLIENT, SERVERS + n % 7, 8);
            if n % 7 == 0 { this } else { this.answered() }
        }),
    );
    silent(
        "a ping and a page",
        (0..50).flat_map(|n| {
            [
                ping(CLIENT, SERVERS, 8).answered(),
                syn(CLIENT, SERVERS, (32_768 + n, 80)).completed(),
            ]
        }),
    );
}

#[test]
fn version_detection_on_open_ports_alone() {
    let ports = [22, 80, 443, 8080];
    let half_open = ports.map(|port| syn(SCANNER, TARGET, (45_369, port)).half_open());
    let completed = ports.map(|port| syn(SCANNER, TARGET, (50_000 + port, port)).completed());
    silent("versions", half_open.into_iter().chain(completed));
}

#[test]
fn spoofed_sources_with_a_packet_each() {
    silent("flood", (0..50_000).map(|n| syn(0x0100_0000 + n * 4099, TARGET, (n as u16, 80))));
}
