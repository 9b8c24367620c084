//! What a file of names says, and what it is told when it is wrong.

use proptest::prelude::*;

use super::*;

fn names(text: &str) -> Names {
    Names::parse(text).expect("well-formed")
}

fn host(names: &Names, address: &str) -> Option<String> {
    let name = names.host(address.parse().expect("an address"));
    name.map(|name| names.text(name).to_string())
}

fn port(names: &Names, protocol: u8, port: u16) -> Option<String> {
    names.port(protocol, port).map(|name| names.text(name).to_string())
}

const FILE: &str = "
    # Sites
    10.0.0.0/8      corp
    10.1.0.0/16     lab     # inside of corp
    10.1.2.3        printer
    10.255.255.255  edge
    0.0.0.0/0       world
    2001:db8::/32   docs
    2001:db8::1     gateway
    # Services
    tcp/443         https
    tcp/8443        https
    udp/5000-5100   rtp
    udp/5050        probe
";

#[test]
fn the_longest_prefix_and_the_smallest_range_win() {
    let names = names(FILE);
    for (address, name) in [
        ("10.0.0.0", "corp"),
        ("10.1.0.0", "lab"),
        ("10.1.2.2", "lab"),
        ("10.1.2.3", "printer"),
        ("10.1.2.4", "lab"),
        ("10.1.255.255", "lab"),
        ("10.2.0.0", "corp"),
        ("10.255.255.255", "edge"),
        ("11.0.0.0", "world"),
        ("255.255.255.255", "world"),
        ("2001:db8::1", "gateway"),
        ("2001:db8:ffff::", "docs"),
    ] {
        assert_eq!(host(&names, address).as_deref(), Some(name), "{address}");
    }
    assert_eq!(host(&names, "2001:db9::"), None);
    assert_eq!(host(&names, "::a00:1"), None, "an IPv6 address is no IPv4 address");
    for (protocol, number, name) in [
        (6, 443, Some("https")),
        (6, 8443, Some("https")),
        (6, 444, None),
        (17, 443, None),
        (17, 5000, Some("rtp")),
        (17, 5050, Some("probe")),
        (17, 5100, Some("rtp")),
        (17, 5101, None),
        (132, 443, None),
    ] {
        assert_eq!(port(&names, protocol, number).as_deref(), name, "{protocol}/{number}");
    }
    assert_eq!(names.len(), 10);
    assert_eq!(names.find("rtp").map(|name| &**names.text(name)), Some("rtp"));
    assert_eq!(names.find("nobody"), None);
}

#[test]
fn a_wrong_line_is_told_with_its_number() {
    for (text, line, what) in [
        ("10.0.0.0/8", 1, "10.0.0.0/8 has no name behind it"),
        ("\n10.0.0.0/33 a", 2, "\"33\" is no prefix length of IPv4: a number from 0 to 32 is"),
        ("::/129 a", 1, "\"129\" is no prefix length of IPv6: a number from 0 to 128 is"),
        ("10.1.2.3/8 a", 1, "10.1.2.3 has bits behind its prefix; 10.0.0.0/8 has none"),
        ("2001:db8::1/32 a", 1, "2001:db8::1 has bits behind its prefix; 2001:db8::/32 has none"),
        ("1.1.1.1 a\n\n1.1.1.1/32 b", 3, "1.1.1.1/32 has a name already, in line 1"),
        ("tcp/70000 a", 1, "\"70000\" is no port: a number from 0 to 65535 is"),
        ("tcp/9-8 a", 1, "9-8 ends before it begins"),
        (
            "tcp/1-5 a\ntcp/3-9 b",
            2,
            "these ports and those of line 1 overlap, and neither are part of the other",
        ),
        ("1.1.1.1 a b", 1, "\"b\" is too much: a line is what is named, and one name"),
        ("1.1.1.1 \"a", 1, "'\"' is not for names: letters, digits, - _ . / @ + are"),
        ("1.1.1.1 10.0.0.1", 1, "\"10.0.0.1\" has no letter, and could be an address or a number"),
        ("1.1.1.1 other", 1, "\"other\" is what the rest of each table is called"),
    ] {
        assert_eq!(Names::parse(text), Err((line, what.to_owned())), "{text:?}");
    }
    for text in ["icmp/8 a", "1.1.1 a", "http a", "/ a", "tcp/ a"] {
        assert!(Names::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let error = Names::read(Path::new("/nowhere/names")).expect_err("is not there");
    assert!(error.to_string().starts_with("cannot read the names in /nowhere/names: "), "{error}");
}

proptest! {
    /// Beside a search through all prefixes.
    #[test]
    fn any_prefixes_are_found_as_by_search(
        prefixes in proptest::collection::btree_set((0_u32..16, 0_u32..=4), 0..20),
        wanted in 0_u32..16,
    ) {
        let mut text = String::new();
        let mut all = Vec::new();
        for (number, length) in prefixes {
            // Four bits at the top of the address.
            let first = (number << 28) & !u32::MAX.checked_shr(length).unwrap_or_default();
            if !all.contains(&(first, length)) {
                all.push((first, length));
                let address = std::net::Ipv4Addr::from_bits(first);
                text += &format!("{address}/{length} n{first}-{length}\n");
            }
        }
        let names = names(&text);
        let address = wanted << 28 | 7;
        let mask = |length: u32| !u32::MAX.checked_shr(length).unwrap_or_default();
        let best = all.iter().filter(|(first, length)| address & mask(*length) == *first);
        let best = best.max_by_key(|(_, length)| *length);
        let found = host(&names, &std::net::Ipv4Addr::from_bits(address).to_string());
        prop_assert_eq!(found, best.map(|(first, length)| format!("n{first}-{length}")));
    }
}
