//! ICMPv6 messages.

use std::fmt::{self, Write};

use super::{Pen, ip::Address};
use crate::dissect::{
    Layer, Protocol,
    checksum::{self, Check},
    field::Spec,
    icmp6::{self, kind},
    ip6,
    json::Mac,
    names,
    tlv::Tlv,
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn icmp6(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let kind = layer.of(&icmp6::TYPE);
        if layer.bytes.is_empty() {
            return self.cut("icmp6");
        }
        if self.is_verbose() {
            let found = layer.of(&icmp6::CHECKSUM);
            match checksum::of(self.all, self.index()) {
                Check::Good => self.out.push_str("[icmp6 sum ok] "),
                Check::Bad(should) => {
                    write!(self.out, "[bad icmp6 cksum 0x{found:04x} -> 0x{should:04x}!] ")?;
                }
                Check::Unverified | Check::Absent => {}
            }
        }
        match icmp6::type_name(kind) {
            Some(name) => write!(self.out, "ICMP6, {name}")?,
            None => write!(self.out, "ICMP6, unknown icmp6 type ({kind}), length {}", layer.room)?,
        }
        if icmp6::type_name(kind).is_none() {
            return self.stop();
        }
        let is_discovery = (kind::ROUTER_SOLICITATION..=kind::REDIRECT).contains(&kind);
        if self.is_verbose() && is_discovery {
            write!(self.out, ", length {}", layer.room)?;
        }
        if layer.note.is_some() {
            return self.cut("icmp6");
        }
        self.icmp6_body(layer, kind)?;
        if !self.is_verbose() {
            write!(self.out, ", length {}", layer.room)?;
        }
        self.stop()
    }

    fn icmp6_body(&mut self, layer: &Layer<'a>, kind: u64) -> fmt::Result {
        match kind {
            kind::UNREACHABLE | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM => {
                self.icmp6_error(layer, kind)
            }
            kind::TOO_BIG => write!(self.out, ", mtu {}", layer.of(&icmp6::MTU)),
            kind::ECHO | kind::ECHO_REPLY => {
                let (id, sequence) = (layer.of(&icmp6::ID), layer.of(&icmp6::SEQUENCE));
                write!(self.out, ", id {id}, seq {sequence}")
            }
            kind::LISTENER_QUERY if layer.room >= icmp6::SOURCES_AT => self.listener_query(layer),
            kind::LISTENER_QUERY | kind::LISTENER_REPORT | kind::LISTENER_DONE => {
                let group = Address::of(&icmp6::GROUP, layer);
                write!(self.out, "max resp delay: {} addr: {group}", layer.of(&icmp6::MAX_DELAY))
            }
            kind::LISTENER_REPORT_2 => self.listener_report(layer),
            kind::ROUTER_SOLICITATION => self.discovery_options(layer),
            kind::ROUTER_ADVERTISEMENT => self.router(layer),
            kind::NEIGHBOUR_SOLICITATION => {
                write!(self.out, ", who has {}", Address::of(&icmp6::TARGET, layer))?;
                self.discovery_options(layer)
            }
            kind::NEIGHBOUR_ADVERTISEMENT => {
                write!(self.out, ", tgt is {}", Address::of(&icmp6::TARGET, layer))?;
                if self.is_verbose() {
                    const FLAGS: [(Spec, &str); 3] = [
                        (icmp6::IS_ROUTER, "router"),
                        (icmp6::IS_SOLICITED, "solicited"),
                        (icmp6::OVERRIDE, "override"),
                    ];
                    self.out.push_str(", Flags [");
                    self.flags(layer.bytes, &FLAGS)?;
                    self.out.push(']');
                }
                self.discovery_options(layer)
            }
            kind::REDIRECT => {
                let target = Address::of(&icmp6::TARGET, layer);
                let redirected = Address::of(&icmp6::REDIRECTED, layer);
                write!(self.out, ", {redirected} to {target}")?;
                self.discovery_options(layer)
            }
            _ => Ok(()),
        }
    }

    fn icmp6_error(&mut self, layer: &Layer<'a>, kind: u64) -> fmt::Result {
        let code = layer.of(&icmp6::CODE);
        let inner = self.all.layers.get(self.at).copied();
        let Some(inner) = inner
            .filter(|inner| inner.protocol == Protocol::Ipv6 && inner.bytes.len() >= ip6::HEADER)
        else {
            return self.cut("icmp6");
        };
        let to = Address::of(&ip6::DESTINATION_ADDRESS, &inner);
        match (kind, code) {
            (kind::UNREACHABLE, _) => self.icmp6_unreachable(code, &inner),
            (kind::TIME_EXCEEDED, 0) => write!(self.out, " for {to}"),
            (kind::TIME_EXCEEDED, 1) => self.out.write_str(" (reassembly)"),
            (kind::TIME_EXCEEDED, _) => write!(self.out, ", unknown code ({code})"),
            (_, 0..=2) => {
                let what = ["erroneous", "next header", "option"];
                let what = what.get(code as usize).unwrap_or(&"");
                write!(self.out, ", {what} - octet {}", layer.of(&icmp6::POINTER))
            }
            _ => write!(self.out, ", code-#{code}"),
        }
    }

    fn icmp6_unreachable(&mut self, code: u64, inner: &Layer<'a>) -> fmt::Result {
        const BEYOND_SCOPE: u64 = 2;
        const PORT: u64 = 4;
        const NAMES: [&str; 7] = [
            "unreachable route",
            "unreachable prohibited",
            "beyond scope",
            "unreachable address",
            "unreachable port",
            "source address failed policy",
            "reject route",
        ];
        match NAMES.get(code as usize) {
            Some(name) => write!(self.out, ", {name}")?,
            None => write!(self.out, ", unknown unreach code ({code})")?,
        }
        let to = Address::of(&ip6::DESTINATION_ADDRESS, inner);
        match code {
            0 | 1 | 3 => write!(self.out, " {to}"),
            BEYOND_SCOPE => {
                write!(self.out, " {to}, source address {}", Address::of(&ip6::SOURCE, inner))
            }
            PORT => self.icmp6_port(&to),
            _ => Ok(()),
        }
    }

    fn icmp6_port(&mut self, to: &Address<'a>) -> fmt::Result {
        let transport =
            self.all.layers.iter().skip(self.at).find(|layer| {
                matches!(layer.protocol, Protocol::Tcp | Protocol::Udp) && layer.quoted
            });
        let Some((transport, port)) = transport
            .and_then(|layer| Some((*layer, crate::dissect::udp::DESTINATION.get(layer.bytes)?)))
        else {
            return self.cut("icmp6");
        };
        if transport.protocol == Protocol::Tcp {
            write!(self.out, ", {to} tcp port ")?;
            self.port(port, names::tcp_port)
        } else {
            write!(self.out, ", {to} udp port ")?;
            self.port(port, names::udp_port)
        }
    }

    fn listener_query(&mut self, layer: &Layer<'a>) -> fmt::Result {
        self.out.push_str(" v2");
        let code = layer.of(&icmp6::MAX_DELAY);
        // RFC 3810 section 5.1.3: above half of the range, a mantissa and an exponent.
        let delay =
            if code < 0x8000 { code } else { (code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3) };
        if self.is_verbose() {
            write!(self.out, " [max resp delay={delay}]")?;
        }
        write!(self.out, " [gaddr {}", Address::of(&icmp6::GROUP, layer))?;
        if self.is_verbose() {
            if icmp6::SUPPRESS.is_set(layer.bytes) {
                self.out.push_str(" sflag");
            }
            if icmp6::ROBUSTNESS.is_set(layer.bytes) {
                write!(self.out, " robustness={}", layer.of(&icmp6::ROBUSTNESS))?;
            }
            let code = layer.of(&icmp6::INTERVAL);
            let interval =
                if code < 0x80 { code } else { (code & 0x0f | 0x10) << ((code >> 4 & 7) + 3) };
            write!(self.out, " qqi={interval}")?;
        }
        let sources = layer.bytes.get(icmp6::SOURCES_AT..).unwrap_or_default();
        self.sources(layer.of(&icmp6::SOURCES), sources, 16)?;
        self.out.write_str("]")
    }

    /// The sources of a query: how many, or with `-vv` which.
    pub(super) fn sources(&mut self, count: u64, bytes: &[u8], size: usize) -> fmt::Result {
        match count {
            0 => Ok(()),
            _ if bytes.len() < count as usize * size => {
                self.out.write_str(" [invalid number of sources]")
            }
            _ if self.style.verbosity > 1 => self.source_list(count, bytes, size),
            _ => write!(self.out, ", {count} source(s)"),
        }
    }

    pub(super) fn source_list(&mut self, count: u64, bytes: &[u8], size: usize) -> fmt::Result {
        self.out.push_str(" {");
        for source in bytes.chunks_exact(size).take(count as usize) {
            write!(self.out, " {}", Address::over(source))?;
        }
        self.out.write_str(" }")
    }

    fn listener_report(&mut self, layer: &Layer<'a>) -> fmt::Result {
        write!(self.out, ", {} group record(s)", layer.of(&icmp6::RECORDS))?;
        if !self.is_verbose() {
            return Ok(());
        }
        for record in icmp6::records(layer).take(layer.of(&icmp6::RECORDS) as usize) {
            let specs = (icmp6::RECORD_GROUP, icmp6::RECORD_SOURCES, icmp6::RECORD_HEAD, 16);
            self.group_record(&record, specs, "v2")?;
        }
        Ok(())
    }

    /// A record of an IGMP or MLD report: where its group and number of sources stand, its head, an address.
    pub(super) fn group_record(
        &mut self,
        record: &Tlv<'_>,
        (group, sources, head, size): (Spec, Spec, usize, usize),
        version: &str,
    ) -> fmt::Result {
        if record.bytes.len() < head {
            return self.out.write_str(" [invalid number of groups]");
        }
        write!(self.out, " [gaddr {} ", Address::over(group.slice(record.bytes)))?;
        match crate::dissect::igmp::record_name(record.kind) {
            Some(name) => self.out.push_str(name),
            None => write!(self.out, " [{version}-report-#{}]", record.kind)?,
        }
        let count = sources.of(record.bytes);
        if record.fault.is_some() {
            return write!(self.out, " [invalid number of sources {count}]");
        }
        if self.style.verbosity == 1 {
            write!(self.out, ", {count} source(s)")?;
        } else {
            self.source_list(count, record.bytes.get(head..).unwrap_or_default(), size)?;
        }
        self.out.write_str("]")
    }

    fn router(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if !self.is_verbose() {
            return Ok(());
        }
        const FLAGS: [(Spec, &str); 3] = [
            (icmp6::MANAGED, "managed"),
            (icmp6::OTHER, "other stateful"),
            (icmp6::HOME_AGENT, "home agent"),
        ];
        write!(self.out, "\n\thop limit {}, Flags [", layer.of(&icmp6::ROUTER_HOPS))?;
        self.flags(layer.bytes, &FLAGS)?;
        let preference = icmp6::preference(layer.of(&icmp6::ROUTER_PREFERENCE));
        write!(self.out, "], pref {}", preference.unwrap_or_default())?;
        write!(self.out, ", router lifetime {}s", layer.of(&icmp6::ROUTER_LIFETIME))?;
        write!(self.out, ", reachable time {}ms", layer.of(&icmp6::REACHABLE))?;
        write!(self.out, ", retrans timer {}ms", layer.of(&icmp6::RETRANSMIT))?;
        self.discovery_options(layer)
    }

    fn discovery_options(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if !self.is_verbose() {
            return Ok(());
        }
        for option in icmp6::options(layer) {
            if option.fault.is_some() || option.bytes.len() < option.length {
                return self.out.write_str("[ndp opt]");
            }
            const NAMES: [(u64, &str); 9] = [
                (1, "source link-address"),
                (2, "destination link-address"),
                (3, "prefix info"),
                (4, "redirected header"),
                (5, "mtu"),
                (14, "nonce"),
                (24, "route info"),
                (25, "rdnss"),
                (31, "dnssl"),
            ];
            let name = NAMES.iter().find(|(number, _)| *number == option.kind);
            let name = name.map_or("unknown", |(_, name)| name);
            let (kind, length) = (option.kind, option.length);
            write!(self.out, "\n\t  {name} option ({kind}), length {length} ({}): ", length / 8)?;
            self.discovery_option(option.kind, option.bytes)?;
            self.option_bytes(option.kind, option.bytes)?;
        }
        Ok(())
    }

    /// tcpdump shows the bytes of every option with `-vv`, and of unknown ones with `-v`.
    fn option_bytes(&mut self, kind: u64, bytes: &[u8]) -> fmt::Result {
        let is_known = matches!(kind, 1..=5 | 24 | 25 | 31);
        if self.style.verbosity < 2 && is_known {
            return Ok(());
        }
        let indent = if is_known || self.style.verbosity > 1 { "\n\t    " } else { "\n\t  " };
        for (line, row) in bytes.get(2..).unwrap_or_default().chunks(16).enumerate() {
            write!(self.out, "{indent}0x{:04x}: ", line * 16)?;
            for pair in row.chunks(2) {
                self.out.push(' ');
                self.hex(pair)?;
            }
        }
        Ok(())
    }

    fn discovery_option(&mut self, kind: u64, bytes: &[u8]) -> fmt::Result {
        match kind {
            1 | 2 => write!(self.out, "{}", Mac(icmp6::LINK_ADDRESS.slice(bytes))),
            3 => self.prefix(bytes),
            5 => write!(self.out, " {}", icmp6::OPTION_MTU.of(bytes)),
            24 => {
                let mut prefix = [0; 16];
                let given = bytes.get(8..).unwrap_or_default();
                prefix.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
                let length = icmp6::PREFIX_LENGTH.of(bytes);
                write!(self.out, " {}/{length}, pref=", Address::over(&prefix))?;
                let preference = icmp6::preference(icmp6::OPTION_PREFERENCE.of(bytes));
                write!(self.out, "{}, lifetime=", preference.unwrap_or_default())?;
                self.lifetime(icmp6::OPTION_LIFETIME.of(bytes))
            }
            25 => {
                write!(self.out, " lifetime {}s,", icmp6::OPTION_LIFETIME.of(bytes))?;
                let servers = bytes.get(icmp6::SERVERS_AT..).unwrap_or_default();
                servers
                    .chunks_exact(16)
                    .try_for_each(|server| write!(self.out, " addr: {}", Address::over(server)))
            }
            31 => write!(self.out, " lifetime {}s", icmp6::OPTION_LIFETIME.of(bytes)),
            _ => Ok(()),
        }
    }

    fn prefix(&mut self, bytes: &[u8]) -> fmt::Result {
        let prefix = Address::over(icmp6::PREFIX.slice(bytes));
        let length = icmp6::PREFIX_LENGTH.of(bytes);
        let bad = if bytes.len() == 32 { "" } else { "badlen" };
        write!(self.out, "{prefix}/{length}{bad}, Flags [")?;
        let names = ["onlink", "auto", "router"];
        let mut separator = "";
        for (flag, name) in icmp6::PREFIX_FLAGS.within.iter().zip(names) {
            if flag.is_set(bytes) {
                write!(self.out, "{separator}{name}")?;
                separator = ", ";
            }
        }
        self.out.push_str(if separator.is_empty() { "none" } else { "" });
        self.out.push_str("], valid time ");
        self.lifetime(icmp6::VALID.of(bytes))?;
        self.out.push_str(", pref. time ");
        self.lifetime(icmp6::PREFERRED.of(bytes))
    }

    fn lifetime(&mut self, seconds: u64) -> fmt::Result {
        const INFINITY: u64 = 0xffff_ffff;
        match seconds {
            INFINITY => self.out.write_str("infinity"),
            _ => write!(self.out, "{seconds}s"),
        }
    }
}
