//! One expression for every kind of link that may be watched.

use wireledger_common::abi::link::Link;

use crate::filter::{self, Classic};

/// An expression, compiled for Ethernet and for frames without a link header, whichever interfaces the session comes to have.
#[derive(Clone, Debug)]
pub struct Filters {
    ethernet: Result<Classic, String>,
    raw: Result<Classic, String>,
}

impl Filters {
    /// Compiles it. May ask a name server, if the expression names hosts.
    ///
    /// # Errors
    /// When it fits no link.
    pub fn compile(expression: &str) -> Result<Self, filter::Error> {
        let ethernet = filter::compile(expression, link_type(Link::Ethernet));
        let raw = filter::compile(expression, link_type(Link::Raw));
        let words = |error: filter::Error| error.to_string();
        match (ethernet, raw) {
            (Err(error), Err(_)) => Err(error),
            (ethernet, raw) => {
                Ok(Self { ethernet: ethernet.map_err(words), raw: raw.map_err(words) })
            }
        }
    }

    /// The program for frames that begin with `link`.
    ///
    /// # Errors
    /// Why the expression does not fit it.
    pub fn of(&self, link: Link) -> Result<&Classic, &str> {
        match link {
            Link::Raw => self.raw.as_ref().map_err(String::as_str),
            _ => self.ethernet.as_ref().map_err(String::as_str),
        }
    }
}

/// The LINKTYPE of what is watched live.
#[must_use]
pub const fn link_type(link: Link) -> u16 {
    match link {
        Link::Ethernet => 1,
        Link::Raw => 101,
        Link::Sll => 113,
        Link::Sll2 => 276,
        Link::Null => 0,
    }
}
