//! Addresses with ports, and the transports besides TCP.

use std::fmt::{self, Write};

use super::{Pen, ip::addresses};
use crate::dissect::{
    Fault, Layer,
    checksum::{self, Check},
    dccp,
    field::Spec,
    names, sctp,
    tlv::Tlv,
    udp,
};

/// Two ports and what they are called.
type Ports = ((u64, u64), fn(u64) -> Option<&'static str>);

impl<'a> Pen<'_, 'a> {
    /// `10.0.0.1.443 > 10.0.0.2.51000: `; without addresses where an extension header has them already.
    pub(super) fn endpoints(&mut self, ports: Option<Ports>) -> fmt::Result {
        let addresses = self.ip.take().map(|ip| addresses(&ip));
        let Some(((source, destination), names)) = ports else {
            return match addresses {
                Some((from, to)) => write!(self.out, "{from} > {to}: "),
                None => Ok(()),
            };
        };
        match addresses {
            Some((from, to)) => {
                write!(self.out, "{from}.")?;
                self.port(source, names)?;
                write!(self.out, " > {to}.")?;
            }
            None => {
                self.port(source, names)?;
                self.out.push_str(" > ");
            }
        }
        self.port(destination, names)?;
        self.out.write_str(": ")
    }

    pub(super) fn port(
        &mut self,
        number: u64,
        names: fn(u64) -> Option<&'static str>,
    ) -> fmt::Result {
        match names(number).filter(|_| !self.style.no_names) {
            Some(name) => self.out.write_str(name),
            None => write!(self.out, "{number}"),
        }
    }

    pub(super) fn udp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let (bytes, room) = (layer.bytes, layer.room);
        if bytes.len() < 4 {
            self.endpoints(None)?;
            return self.cut("udp");
        }
        let ports = (layer.of(&udp::SOURCE), layer.of(&udp::DESTINATION));
        self.endpoints(Some((ports, names::udp_port)))?;
        if room < udp::HEADER {
            write!(self.out, "truncated-udp {room}")?;
            return self.stop();
        }
        if bytes.len() < udp::HEADER {
            return self.cut("udp");
        }
        let length = match layer.of(&udp::LENGTH) as usize {
            0 if room > usize::from(u16::MAX) => room,
            length => length,
        };
        if length < udp::HEADER {
            write!(self.out, "truncated-udplength {length}")?;
            return self.stop();
        }
        if self.style.verbosity > 1 && !self.style.quiet {
            self.udp_checksum(layer)?;
        }
        if self.peek().is_some() && !self.style.quiet {
            return Ok(());
        }
        self.out.push_str("UDP, ");
        if let Some(Fault::Long("length", ..)) = layer.fault() {
            write!(self.out, "bad length {} > {}", length - udp::HEADER, room - udp::HEADER)?;
        } else {
            write!(self.out, "length {}", length - udp::HEADER)?;
        }
        self.stop()
    }

    fn udp_checksum(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let found = layer.of(&udp::CHECKSUM);
        match checksum::of(self.all, self.index()) {
            Check::Absent if layer.fragmented => Ok(()),
            Check::Absent => self.out.write_str("[no cksum] "),
            Check::Good => self.out.write_str("[udp sum ok] "),
            Check::Bad(should) => {
                write!(self.out, "[bad udp cksum 0x{found:04x} -> 0x{should:04x}!] ")
            }
            Check::Unverified => Ok(()),
        }
    }

    /// tcpdump has none: the form is UDP's.
    pub(super) fn udp_lite(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < udp::HEADER {
            self.endpoints(None)?;
            return self.cut("udplite");
        }
        let ports = (layer.of(&udp::SOURCE), layer.of(&udp::DESTINATION));
        self.endpoints(Some((ports, names::udp_port)))?;
        if self.is_verbose() {
            self.udp_checksum(layer)?;
        }
        let (coverage, length) = (layer.of(&udp::COVERAGE), layer.room - udp::HEADER);
        let bad = if layer.fault().is_some() { "bad " } else { "" };
        write!(self.out, "UDP-Lite, {bad}coverage {coverage}, length {length}")?;
        self.stop()
    }

    pub(super) fn sctp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < sctp::HEADER {
            self.endpoints(None)?;
            return self.cut("sctp");
        }
        let ports = (layer.of(&sctp::SOURCE), layer.of(&sctp::DESTINATION));
        self.endpoints(Some((ports, |_| None)))?;
        self.out.push_str("sctp");
        let before = if self.style.verbosity > 1 { "\n\t" } else { " (" };
        let mut chunks = sctp::chunks(layer);
        for (number, chunk) in (1..).zip(chunks.by_ref()) {
            write!(self.out, "{before}{number}) ")?;
            if let Some(fault) = chunk.fault {
                return write!(self.out, "[{fault}]");
            }
            self.chunk(&chunk)?;
        }
        if chunks.is_cut() { self.cut("sctp") } else { Ok(()) }
    }

    fn chunk(&mut self, chunk: &Tlv<'_>) -> fmt::Result {
        use sctp::kind;
        let of = |spec: &Spec| spec.of(chunk.bytes);
        match sctp::CHUNKS.iter().find(|known| known.number == chunk.kind) {
            Some(known) => write!(self.out, "[{}] ", known.label)?,
            None => write!(self.out, "[Unknown chunk type: 0x{:x}] ", chunk.kind)?,
        }
        match chunk.kind {
            kind::DATA => {
                let flags = of(&sctp::FLAGS);
                for (bit, name) in [(4, "(U)"), (2, "(B)"), (1, "(E)")] {
                    self.out.push_str(if flags & bit != 0 { name } else { "" });
                }
                self.out.push_str(if flags & 7 != 0 { " " } else { "" });
                write!(self.out, "[TSN: {}] [SID: {}] ", of(&sctp::TSN), of(&sctp::STREAM))?;
                write!(self.out, "[SSEQ {}] ", of(&sctp::STREAM_SEQUENCE))?;
                let protocol = of(&sctp::PAYLOAD_PROTOCOL);
                match sctp::payload_protocol(protocol) {
                    Some(name) => write!(self.out, "[PPID {name}] "),
                    None => write!(self.out, "[PPID 0x{protocol:x}] "),
                }
            }
            kind::INIT | kind::INIT_ACK => {
                write!(self.out, "[init tag: {}] ", of(&sctp::INIT_TAG))?;
                write!(self.out, "[rwnd: {}] ", of(&sctp::WINDOW))?;
                write!(self.out, "[OS: {}] ", of(&sctp::OUT_STREAMS))?;
                write!(self.out, "[MIS: {}] ", of(&sctp::IN_STREAMS))?;
                write!(self.out, "[init TSN: {}] ", of(&sctp::INIT_TSN))
            }
            kind::SACK => {
                write!(self.out, "[cum ack {}] ", of(&sctp::CUMULATIVE))?;
                write!(self.out, "[a_rwnd {}] ", of(&sctp::WINDOW))?;
                write!(self.out, "[#gap acks {}] ", of(&sctp::GAPS))?;
                write!(self.out, "[#dup tsns {}] ", of(&sctp::DUPLICATES))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn dccp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < dccp::HEADER {
            self.endpoints(None)?;
            return self.cut("dccp");
        }
        let ports = (layer.of(&dccp::SOURCE), layer.of(&dccp::DESTINATION));
        self.endpoints(Some((ports, |_| None)))?;
        self.out.push_str("DCCP");
        let header = layer.of(&dccp::HEADER_LENGTH) as usize;
        if self.style.quiet {
            return write!(self.out, " {}", layer.room.wrapping_sub(header) as i32);
        }
        if self.is_verbose() {
            let (value, coverage) = (layer.of(&dccp::CCVAL), layer.of(&dccp::COVERAGE));
            write!(self.out, " (CCVal {value}, CsCov {coverage}")?;
            self.comma_checksum(layer.of(&dccp::CHECKSUM))?;
            self.out.push(')');
        }
        let kind = layer.of(&dccp::TYPE);
        match dccp::type_name(kind) {
            Some(name) => write!(self.out, " {name} ")?,
            None => write!(self.out, " unknown-type-{kind} ")?,
        }
        if layer.fault().is_some() {
            write!(self.out, "[bad hdr length {header}]")?;
            return self.stop();
        }
        let of = |spec: Option<Spec>| spec.and_then(|spec| spec.get(layer.bytes));
        if let Some(service) = of(dccp::service(layer)) {
            write!(self.out, "(service={service}) ")?;
        }
        if let Some(ack) = of(dccp::acknowledgment(layer)) {
            write!(self.out, "(ack={ack}) ")?;
        }
        if self.style.verbosity > 1 {
            write!(self.out, "seq {}", dccp::sequence(layer).of(layer.bytes))?;
        }
        self.stop()
    }
}
