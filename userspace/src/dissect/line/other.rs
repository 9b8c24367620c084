//! IGMP, AH, ESP, and what is named with its length.

use std::fmt::{self, Write};

use super::{Pen, ip::Address};
use crate::dissect::{
    Layer, Protocol,
    checksum::{self, Check},
    igmp::{self, kind},
    other,
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn igmp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        self.out.push_str("igmp");
        if self.style.quiet {
            return Ok(());
        }
        if layer.bytes.len() < 8 {
            return self.cut("igmp");
        }
        let (kind, room) = (layer.of(&igmp::TYPE), layer.room);
        let group = Address::of(&igmp::GROUP, layer);
        match kind {
            kind::QUERY => self.igmp_query(layer)?,
            kind::REPORT_1 => {
                write!(self.out, " v1 report {group}")?;
                if room != 8 {
                    write!(self.out, " [len {room}]")?;
                }
            }
            kind::REPORT_2 => write!(self.out, " v2 report {group}")?,
            kind::LEAVE => write!(self.out, " leave {group}")?,
            kind::REPORT_3 => self.igmp_report(layer)?,
            0x13 => self.out.push_str(" dvmrp"),
            0x14 => self.out.push_str(" pimv1"),
            _ => write!(self.out, "-{kind}")?,
        }
        match checksum::of(self.all, self.index()) {
            Check::Bad(_) if self.is_verbose() => {
                let found = crate::dissect::icmp::CHECKSUM.of(layer.bytes);
                write!(self.out, " bad igmp cksum {found:x}!")
            }
            _ => Ok(()),
        }
    }

    fn igmp_query(&mut self, layer: &Layer<'a>) -> fmt::Result {
        const USUAL: u64 = 100;
        let (code, room) = (layer.of(&igmp::MAX_RESPONSE), layer.room);
        let group = Address::of(&igmp::GROUP, layer);
        let any = igmp::GROUP.slice(layer.bytes).iter().all(|byte| *byte == 0);
        self.out.push_str(" query");
        if room < igmp::QUERY_3 {
            self.out.push_str(if code == 0 { " v1" } else { " v2" });
            if code != 0 && code != USUAL {
                write!(self.out, " [max resp time {code}]")?;
            }
            if !any {
                write!(self.out, " [gaddr {group}]")?;
            }
            return if room == 8 { Ok(()) } else { write!(self.out, " [len {room}]") };
        }
        self.out.push_str(" v3");
        if !room.is_multiple_of(4) {
            return write!(self.out, " [invalid len {room}]");
        }
        // RFC 3376 section 4.1.1: above half of the range, a mantissa and an exponent.
        let tenths = if code < 0x80 { code } else { (code & 0x0f | 0x10) << ((code >> 4 & 7) + 3) };
        if code != USUAL && tenths < 600 {
            write!(self.out, " [max resp time {}.{}s]", tenths / 10, tenths % 10)?;
        } else if code != USUAL {
            write!(self.out, " [max resp time {}m{}s]", tenths / 600, tenths / 10 % 60)?;
        }
        if any {
            return Ok(());
        }
        write!(self.out, " [gaddr {group}")?;
        let sources = layer.bytes.get(igmp::QUERY_3..).unwrap_or_default();
        self.sources(layer.of(&igmp::SOURCES), sources, 4)?;
        self.out.write_str("]")
    }

    fn igmp_report(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let room = layer.room;
        self.out.push_str(" v3 report");
        if room < 16 || !room.is_multiple_of(4) {
            return write!(self.out, " [invalid len {room}]");
        }
        write!(self.out, ", {} group record(s)", layer.of(&igmp::RECORDS))?;
        if !self.is_verbose() {
            return Ok(());
        }
        for record in igmp::records(layer).take(layer.of(&igmp::RECORDS) as usize) {
            let specs = (igmp::RECORD_GROUP, igmp::RECORD_SOURCES, igmp::RECORD_HEAD, 4);
            self.group_record(&record, specs, "v3")?;
        }
        Ok(())
    }

    pub(super) fn ah(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 12 {
            return self.cut("ah");
        }
        self.out.push_str("AH(");
        if self.is_verbose() {
            let words = layer.of(&other::AH_LENGTH);
            write!(self.out, "length={words}({}-bytes),", (words + 2) * 4)?;
        }
        write!(self.out, "spi=0x{:08x},", layer.of(&other::AH_SPI))?;
        write!(self.out, "seq=0x{:x},icv=0x", layer.of(&other::AH_SEQUENCE))?;
        self.hex(other::AH_ICV.slice(layer.bytes))?;
        self.out.push_str("): ");
        if layer.note.is_some() {
            self.out.truncate(self.out.len() - "): ".len());
            return self.cut("ah");
        }
        Ok(())
    }

    pub(super) fn esp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 8 {
            self.out.push_str("ESP");
            return self.cut("esp");
        }
        let (spi, sequence) = (layer.of(&other::ESP_SPI), layer.of(&other::ESP_SEQUENCE));
        write!(self.out, "ESP(spi=0x{spi:08x},seq=0x{sequence:x}), length {}", layer.room)
    }

    /// tcpdump looks into these; here they have a name, a kind where that is one byte, and a length.
    pub(super) fn named(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let (bytes, room) = (layer.bytes, layer.room);
        match layer.protocol {
            Protocol::Ospf => {
                let kind = other::ospf_type(layer.of(&other::OSPF_TYPE)).unwrap_or("unknown");
                write!(self.out, "OSPFv{}, {kind}", layer.of(&other::OSPF_VERSION))?;
            }
            Protocol::Vrrp => {
                write!(self.out, "VRRPv{}, ", layer.of(&other::VRRP_VERSION))?;
                let (router, priority) =
                    (layer.of(&other::VRRP_ROUTER), layer.of(&other::VRRP_PRIORITY));
                write!(self.out, "Advertisement, vrid {router}, prio {priority}")?;
            }
            Protocol::Pim => {
                let kind = other::pim_type(layer.of(&other::PIM_TYPE)).unwrap_or("unknown");
                write!(self.out, "PIMv{}, {kind}", layer.of(&other::PIM_VERSION))?;
            }
            Protocol::Eigrp => {
                let (version, code) =
                    (layer.of(&other::EIGRP_VERSION), layer.of(&other::EIGRP_OPCODE));
                write!(self.out, "EIGRP v{version}, opcode {code}")?;
            }
            Protocol::Eapol => {
                let (version, kind) =
                    (layer.of(&other::EAPOL_VERSION), layer.of(&other::EAPOL_TYPE));
                let name = crate::dissect::names::eapol(kind).unwrap_or("unknown");
                write!(self.out, "{name} ({kind}) v{version}")?;
                return write!(self.out, ", len {}", layer.of(&other::EAPOL_LENGTH));
            }
            Protocol::Lldp => self.out.push_str("LLDP"),
            Protocol::Macsec => self.out.push_str("MACsec"),
            Protocol::Ptp => self.out.push_str("PTP"),
            Protocol::Stp => self.out.push_str("STP"),
            _ => {}
        }
        if bytes.is_empty() && room > 0 {
            return self.cut(layer.protocol.key());
        }
        write!(self.out, ", length {room}")
    }
}
