//! One line of a file of names.

use std::{cmp::Reverse, net::IpAddr};

use super::{Kind, protocol};

/// From a first to a last number. In order of the first, larger ranges before smaller ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Ord for Range {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.first, Reverse(self.last)).cmp(&(other.first, Reverse(other.last)))
    }
}

impl PartialOrd for Range {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What is named, and its name.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Line<'t> {
    pub(super) kind: Kind,
    pub(super) range: Range,
    pub(super) name: &'t str,
}

impl<'t> Line<'t> {
    /// `None` for a line that says nothing.
    pub(super) fn parse(text: &'t str) -> Result<Option<Self>, String> {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(what) = words.next() else { return Ok(None) };
        let name = words.next().ok_or_else(|| format!("{what} has no name behind it"))?;
        if let Some(more) = words.next() {
            return Err(format!("{more:?} is too much: a line is what is named, and one name"));
        }
        check(name)?;
        let (kind, range) = range(what)?;
        Ok(Some(Self { kind, range, name }))
    }
}

/// A name must be one in every label and table, and be told from an address, a port and the rest.
fn check(name: &str) -> Result<(), String> {
    /// As DNS has it for a whole name.
    const LONGEST: usize = 253;
    let wrong = |c: char| !c.is_alphanumeric() && !"-_./@+".contains(c);
    if let Some(wrong) = name.chars().find(|&c| wrong(c)) {
        return Err(format!("{wrong:?} is not for names: letters, digits, - _ . / @ + are"));
    }
    if name.len() > LONGEST {
        return Err(format!("a name has at most {LONGEST} bytes, this one has {}", name.len()));
    }
    if !name.contains(char::is_alphabetic) {
        return Err(format!("{name:?} has no letter, and could be an address or a number"));
    }
    if name == "other" {
        return Err("\"other\" is what the rest of each table is called".to_owned());
    }
    Ok(())
}

fn range(what: &str) -> Result<(Kind, Range), String> {
    let Some((before, behind)) = what.split_once('/') else {
        let address = what.parse().map_err(|_| unknown(what))?;
        return prefix(address, None);
    };
    if let Ok(address) = before.parse() {
        return prefix(address, Some(behind));
    }
    let protocol = protocol(before).ok_or_else(|| unknown(what))?;
    ports(behind).map(|range| (Kind::Port(protocol), range))
}

fn unknown(what: &str) -> String {
    format!(
        "{what:?} is no address, prefix or port: write 192.0.2.1, 10.0.0.0/8, 2001:db8::/32, tcp/443 or udp/5000-5100; \
         protocols with ports are tcp, udp, sctp, dccp and udplite"
    )
}

fn prefix(address: IpAddr, length: Option<&str>) -> Result<(Kind, Range), String> {
    let (kind, number, bits, family) = match address {
        IpAddr::V4(address) => (Kind::V4, u128::from(address.to_bits()), 32, "IPv4"),
        IpAddr::V6(address) => (Kind::V6, address.to_bits(), 128, "IPv6"),
    };
    let length = match length {
        None => bits,
        Some(text) => {
            text.parse().ok().filter(|&length: &u32| length <= bits).ok_or_else(|| {
                format!("{text:?} is no prefix length of {family}: a number from 0 to {bits} is")
            })?
        }
    };
    let host = u128::MAX.checked_shr(128 - bits + length).unwrap_or_default();
    if number & host != 0 {
        let first = number & !host;
        let first: IpAddr = match kind {
            Kind::V4 => std::net::Ipv4Addr::from_bits(first as u32).into(),
            _ => std::net::Ipv6Addr::from_bits(first).into(),
        };
        return Err(format!("{address} has bits behind its prefix; {first}/{length} has none"));
    }
    Ok((kind, Range { first: number, last: number | host }))
}

fn ports(text: &str) -> Result<Range, String> {
    let port = |text: &str| {
        let port = text.parse::<u16>();
        port.map_err(|_| format!("{text:?} is no port: a number from 0 to 65535 is"))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err(format!("{text} ends before it begins"));
    }
    Ok(Range { first: first.into(), last: last.into() })
}
