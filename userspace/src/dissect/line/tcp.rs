//! TCP segments.

use std::fmt::{self, Write};

use super::Pen;
use crate::dissect::{
    Layer,
    checksum::{self, Check},
    names, tcp,
    tlv::Tlv,
};

/// As tcpdump writes them, in its order; AE as newer ones do.
const FLAGS: [(crate::dissect::field::Spec, char); 9] = [
    (tcp::FIN, 'F'),
    (tcp::SYN, 'S'),
    (tcp::RST, 'R'),
    (tcp::PSH, 'P'),
    (tcp::ACK, '.'),
    (tcp::URG, 'U'),
    (tcp::ECE, 'E'),
    (tcp::CWR, 'W'),
    (tcp::AE, 'e'),
];

impl<'a> Pen<'_, 'a> {
    pub(super) fn tcp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let bytes = layer.bytes;
        if bytes.len() < 4 {
            self.endpoints(None)?;
            self.out.truncate(self.out.trim_end().len());
            return self.cut("tcp");
        }
        let ports = (layer.of(&tcp::SOURCE), layer.of(&tcp::DESTINATION));
        self.endpoints(Some((ports, names::tcp_port)))?;
        let Some(header) = tcp::HEADER_LENGTH.get(bytes) else { return self.cut("tcp") };
        let (header, room) = (header as usize, layer.room);
        if header < tcp::HEADER {
            let length = room.wrapping_sub(header) as i32;
            write!(self.out, " tcp {length} [bad hdr length {header} - too short, < 20]")?;
            return self.stop();
        }
        if bytes.len() < tcp::HEADER {
            return self.cut("tcp");
        }
        if self.style.quiet {
            write!(self.out, "tcp {}", room.wrapping_sub(header) as i32)?;
        } else {
            self.tcp_flags(bytes)?;
        }
        if header > room {
            write!(self.out, " [bad hdr length {header} - too long, > {room}]")?;
            return self.stop();
        }
        if self.style.quiet {
            return self.stop();
        }
        self.tcp_rest(layer, room - header)
    }

    fn tcp_flags(&mut self, bytes: &[u8]) -> fmt::Result {
        self.out.push_str("Flags [");
        let before = self.out.len();
        self.out.extend(FLAGS.iter().filter(|(flag, _)| flag.is_set(bytes)).map(|(_, c)| *c));
        self.out.push_str(if self.out.len() == before { "none]" } else { "]" });
        Ok(())
    }

    fn tcp_rest(&mut self, layer: &Layer<'a>, length: usize) -> fmt::Result {
        let bytes = layer.bytes;
        if self.is_verbose() {
            self.comma_checksum(layer.of(&tcp::CHECKSUM))?;
        }
        let marks = [tcp::SYN, tcp::FIN, tcp::RST].iter().any(|flag| flag.is_set(bytes));
        if self.style.verbosity > 1 || length > 0 || marks {
            let sequence = layer.of(&tcp::SEQUENCE) as u32;
            write!(self.out, ", seq {sequence}")?;
            if length > 0 {
                write!(self.out, ":{}", sequence.wrapping_add(length as u32))?;
            }
        }
        if tcp::ACK.is_set(bytes) {
            write!(self.out, ", ack {}", layer.of(&tcp::ACKNOWLEDGMENT))?;
        }
        write!(self.out, ", win {}", layer.of(&tcp::WINDOW))?;
        if tcp::URG.is_set(bytes) {
            write!(self.out, ", urg {}", layer.of(&tcp::URGENT))?;
        }
        if layer.length > tcp::HEADER && !self.tcp_options(layer)? {
            return self.stop();
        }
        write!(self.out, ", length {length}")?;
        self.stop()
    }

    /// `, cksum 0x1234 (correct)`, where it can be told.
    pub(super) fn comma_checksum(&mut self, found: u64) -> fmt::Result {
        match checksum::of(self.all, self.index()) {
            Check::Good => write!(self.out, ", cksum 0x{found:04x} (correct)"),
            Check::Bad(should) => {
                write!(self.out, ", cksum 0x{found:04x} (incorrect -> 0x{should:04x})")
            }
            Check::Unverified | Check::Absent => Ok(()),
        }
    }

    /// `false` when nothing behind the options can be trusted.
    fn tcp_options(&mut self, layer: &Layer<'a>) -> Result<bool, fmt::Error> {
        let mut options = tcp::options(layer);
        self.out.push_str(", options [");
        let mut separator = "";
        for option in options.by_ref() {
            self.out.push_str(separator);
            separator = ",";
            if option.fault.is_some() {
                self.out.push_str("[bad opt]]");
                return Ok(false);
            }
            if option.bytes.len() < option.length {
                self.cut("tcp")?;
                return Ok(false);
            }
            self.tcp_option(&option)?;
        }
        if options.is_cut() {
            self.out.push_str(separator);
            self.cut("tcp")?;
            return Ok(false);
        }
        self.out.push(']');
        Ok(true)
    }

    fn tcp_option(&mut self, option: &Tlv<'_>) -> fmt::Result {
        use tcp::kind;
        let (bytes, of) =
            (option.bytes, |spec: &crate::dissect::field::Spec| spec.of(option.bytes));
        let expected = match option.kind {
            kind::END => return self.out.write_str("eol"),
            kind::NO_OPERATION => return self.out.write_str("nop"),
            kind::MSS => {
                write!(self.out, "mss {}", of(&tcp::MSS))?;
                4
            }
            kind::WINDOW_SCALE => {
                write!(self.out, "wscale {}", of(&tcp::SHIFT))?;
                3
            }
            kind::SACK_PERMITTED => {
                self.out.push_str("sackOK");
                2
            }
            kind::SACK => return self.sack(bytes),
            kind::TIMESTAMP => {
                let (value, echo) = (of(&tcp::TIMESTAMP), of(&tcp::TIMESTAMP_ECHO));
                write!(self.out, "TS val {value} ecr {echo}")?;
                10
            }
            kind::ECHO | kind::ECHO_REPLY | kind::CC | kind::CC_NEW | kind::CC_ECHO => {
                let name = match option.kind {
                    kind::ECHO => "echo",
                    kind::ECHO_REPLY => "echoreply",
                    kind::CC => "cc",
                    kind::CC_NEW => "ccnew",
                    _ => "ccecho",
                };
                write!(self.out, "{name} {}", of(&tcp::ECHO))?;
                6
            }
            _ => return self.rare_option(option),
        };
        if bytes.len() != expected {
            write!(self.out, "[len {}]", bytes.len())?;
        }
        Ok(())
    }

    fn sack(&mut self, bytes: &[u8]) -> fmt::Result {
        let blocks = bytes.get(2..).unwrap_or_default();
        if blocks.len() % 8 != 0 {
            return self.out.write_str("malformed sack");
        }
        write!(self.out, "sack {} ", blocks.len() / 8)?;
        blocks.chunks_exact(8).try_for_each(|block| {
            write!(self.out, "{{{}:{}}}", tcp::LEFT.of(block), tcp::RIGHT.of(block))
        })
    }

    fn rare_option(&mut self, option: &Tlv<'_>) -> fmt::Result {
        use tcp::kind;
        let data = option.bytes.get(2..).unwrap_or_default();
        match option.kind {
            kind::MD5 => {
                self.out.push_str("md5 ");
                self.hex(data)
            }
            kind::AUTHENTICATION => {
                let (key, next) = (data.first().unwrap_or(&0), data.get(1).unwrap_or(&0));
                write!(self.out, "tcp-ao keyid {key} rnextkeyid {next}")?;
                self.hex_after(" mac 0x", data.get(2..).unwrap_or_default())
            }
            kind::MPTCP => self.mptcp(option.bytes),
            kind::FAST_OPEN => {
                self.out.push_str("tfo ");
                self.fast_open(data)
            }
            kind::EXPERIMENT_1 | kind::EXPERIMENT_2 => self.experiment(option.bytes),
            other => {
                write!(self.out, "unknown-{other}")?;
                self.hex_after(" 0x", data)
            }
        }
    }

    fn fast_open(&mut self, cookie: &[u8]) -> fmt::Result {
        match cookie.len() {
            0 => self.out.write_str(" cookiereq"),
            length if !(4..=16).contains(&length) || length % 2 != 0 => {
                write!(self.out, "invalid TFO length {length}")
            }
            _ => {
                self.out.push_str(" cookie ");
                self.hex(cookie)
            }
        }
    }

    /// RFC 6994: the first two bytes say whose experiment it is; 0xf989 is fast open's (RFC 7413).
    fn experiment(&mut self, bytes: &[u8]) -> fmt::Result {
        const FAST_OPEN: u64 = 0xf989;
        match tcp::EXPERIMENT.get(bytes) {
            Some(FAST_OPEN) => {
                self.out.push_str("exp-tfo");
                self.fast_open(bytes.get(4..).unwrap_or_default())
            }
            Some(other) => {
                write!(self.out, "exp-{other:04x}")?;
                self.hex_after(" 0x", bytes.get(4..).unwrap_or_default())
            }
            None => write!(self.out, "exp[len {}]", bytes.len()),
        }
    }

    /// RFC 8684 section 3.1: the keys of MP_CAPABLE; the other subtypes are named.
    fn mptcp(&mut self, bytes: &[u8]) -> fmt::Result {
        const CAPABLE: u64 = 0;
        let Some(subtype) = tcp::SUBTYPE.get(bytes) else {
            return self.out.write_str("mptcp[bad]");
        };
        write!(self.out, "mptcp {}", bytes.len())?;
        match tcp::mptcp_name(subtype) {
            Some(name) => write!(self.out, " {name}")?,
            None => write!(self.out, " unknown-{subtype}")?,
        }
        if subtype != CAPABLE {
            return Ok(());
        }
        let (version, flags) = (bytes.get(2).unwrap_or(&0) & 0x0f, bytes.get(3).unwrap_or(&0));
        write!(self.out, " v{version}")?;
        if flags & 0x80 != 0 {
            self.out.push_str(" csum");
        }
        let mut keys = bytes.get(4..).unwrap_or_default().chunks_exact(8).take(2);
        if let Some(first) = keys.next() {
            write!(self.out, " {{0x{:x}", crate::dissect::field::be(first))?;
            if let Some(second) = keys.next() {
                write!(self.out, ",0x{:x}", crate::dissect::field::be(second))?;
            }
            self.out.push('}');
        }
        Ok(())
    }

    /// Nothing for no bytes.
    fn hex_after(&mut self, before: &str, bytes: &[u8]) -> fmt::Result {
        self.out.push_str(if bytes.is_empty() { "" } else { before });
        self.hex(bytes)
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) -> fmt::Result {
        bytes.iter().try_for_each(|byte| write!(self.out, "{byte:02x}"))
    }
}
