//! Later fragments find the flow of their datagram, when its first fragment was seen.

use zerocopy::transmute_mut;

use super::Books;
use crate::{
    abi::{
        flow::FRAGMENT,
        fragment::{Datagram, FirstFragment},
    },
    table::{hash::words, set::copy_words},
    wire::{Fragment, Headers},
};

/// Remembers a first fragment, or gives a later one its ports.
#[inline(always)]
pub(super) fn join(headers: &mut Headers, now: u64, books: &mut impl Books) {
    let mut datagram = Datagram { id: headers.datagram, ..Datagram::default() };
    copy_words(words(&headers.key), transmute_mut!(&mut datagram.key));
    datagram.key.source_port = 0;
    datagram.key.destination_port = 0;
    datagram.key.protocol = headers.datagram_protocol;
    datagram.key.kind &= !FRAGMENT;
    match headers.fragment {
        Fragment::First => {
            let first = FirstFragment {
                seen: now,
                source_port: headers.key.source_port,
                destination_port: headers.key.destination_port,
                protocol: headers.key.protocol,
                reserved: [0; 3],
            };
            books.remember(&datagram, &first);
        }
        Fragment::Later => {
            let life = books.fragment_life();
            if let Some(first) = books.recall(&datagram)
                && now.wrapping_sub(first.seen) < life
            {
                headers.key.source_port = first.source_port;
                headers.key.destination_port = first.destination_port;
                headers.key.protocol = first.protocol;
                headers.key.kind &= !FRAGMENT;
            }
        }
        Fragment::Whole | Fragment::Tiny => {}
    }
}
