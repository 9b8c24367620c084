//! IPv4 options, with `-v`.

use std::fmt::{self, Write};

use super::{Pen, ip::Address};
use crate::dissect::{Layer, field::be, ip4};

impl<'a> Pen<'_, 'a> {
    pub(super) fn ip4_options(&mut self, layer: &Layer<'a>) -> fmt::Result {
        use ip4::kind;
        let mut options = ip4::options(layer);
        let mut separator = "";
        for option in options.by_ref() {
            self.out.push_str(separator);
            separator = ",";
            let name = match option.kind {
                kind::END => "EOL",
                kind::NO_OPERATION => "NOP",
                kind::RECORD_ROUTE => "RR",
                kind::TIMESTAMP => "timestamp",
                kind::SECURITY => "security",
                kind::LOOSE_ROUTE => "LSRR",
                kind::STRICT_ROUTE => "SSRR",
                kind::ROUTER_ALERT => "RA",
                other => {
                    write!(self.out, "unknown {other}")?;
                    ""
                }
            };
            self.out.push_str(name);
            if option.fault.is_some() {
                write!(self.out, " [bad length {}]", option.length)?;
            } else if option.bytes.len() == option.length {
                self.ip4_option(option.kind, option.bytes)?;
            }
        }
        if options.is_cut() { self.out.write_str(" [truncated-option]") } else { Ok(()) }
    }

    fn ip4_option(&mut self, number: u64, bytes: &[u8]) -> fmt::Result {
        use ip4::kind;
        match number {
            kind::RECORD_ROUTE | kind::LOOSE_ROUTE | kind::STRICT_ROUTE => self.route(bytes),
            kind::TIMESTAMP => self.timestamps(bytes),
            kind::ROUTER_ALERT if bytes.len() < 4 => {
                write!(self.out, " [bad length {}]", bytes.len())
            }
            kind::ROUTER_ALERT if ip4::ALERT.is_set(bytes) => {
                write!(self.out, " value {}", ip4::ALERT.of(bytes))
            }
            _ => Ok(()),
        }
    }

    /// RFC 791 section 3.1: the pointer counts from 1 and stands behind the last address recorded.
    fn route(&mut self, bytes: &[u8]) -> fmt::Result {
        let length = bytes.len();
        if length < ip4::ROUTE_AT {
            return write!(self.out, " [bad length {length}]");
        }
        if (length + 1) & 3 != 0 {
            write!(self.out, " [bad length {length}]")?;
        }
        let pointer = ip4::POINTER.of(bytes) as usize;
        if pointer < 4 || pointer & 3 != 0 {
            write!(self.out, " [bad ptr {pointer}]")?;
        }
        let addresses = bytes.get(ip4::ROUTE_AT..).unwrap_or_default().chunks_exact(4);
        for (index, address) in addresses.enumerate() {
            write!(self.out, " {}", Address::over(address))?;
            if pointer > ip4::ROUTE_AT + 1 + 4 * index {
                self.out.push(',');
            }
        }
        Ok(())
    }

    fn timestamps(&mut self, bytes: &[u8]) -> fmt::Result {
        const AT: usize = 4;
        if bytes.len() < AT {
            return write!(self.out, "[bad length {}]", bytes.len());
        }
        self.out.push_str(" TS{");
        let step = if ip4::TIMESTAMP_FLAG.is_set(bytes) { 8 } else { 4 };
        if !(bytes.len() - AT).is_multiple_of(step) {
            write!(self.out, "[bad length {}]", bytes.len())?;
        }
        let pointer = (ip4::POINTER.of(bytes) as usize).wrapping_sub(1);
        let mut before = match ip4::TIMESTAMP_FLAG.of(bytes) {
            0 => "TSONLY ",
            1 => "TS+ADDR ",
            3 => "PRESPEC ",
            other => {
                write!(self.out, "[bad ts type {other}]")?;
                ""
            }
        };
        for (index, stamp) in bytes.get(AT..).unwrap_or_default().chunks_exact(step).enumerate() {
            let at = AT + index * step;
            self.out.push_str(if at == pointer && index > 0 { " ^ " } else { before });
            before = " ";
            let time = be(stamp.get(step - 4..).unwrap_or_default());
            write!(self.out, "{time}@")?;
            if step == 8 {
                write!(self.out, "{}", Address::over(stamp.get(..4).unwrap_or_default()))?;
            }
        }
        if pointer == bytes.len() {
            self.out.push_str(" ^ ");
        }
        match ip4::OVERFLOW.of(bytes) {
            0 => self.out.write_str("}"),
            hops => write!(self.out, " [{hops} hops not recorded]}} "),
        }
    }
}
