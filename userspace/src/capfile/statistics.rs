//! What a capture counted on one interface: the options of an interface statistics block.

use super::{interface::Clock, options::Options, order::Order};

/// Counts of one interface since the capture began. A file need not tell any of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// When the capture began, nanoseconds since 1970 (`isb_starttime`).
    pub start: Option<u64>,
    /// When it ended, nanoseconds since 1970 (`isb_endtime`).
    pub end: Option<u64>,
    /// Packets the interface received (`isb_ifrecv`).
    pub received: Option<u64>,
    /// Packets the interface dropped for want of resources (`isb_ifdrop`).
    pub dropped: Option<u64>,
    /// Packets the filter accepted (`isb_filteraccept`).
    pub accepted: Option<u64>,
    /// Packets the system dropped (`isb_osdrop`).
    pub os_dropped: Option<u64>,
    /// Packets given to the user (`isb_usrdeliv`).
    pub delivered: Option<u64>,
}

impl Statistics {
    /// Whether packets were lost.
    #[must_use]
    pub fn tell_of_losses(&self) -> bool {
        [self.dropped, self.os_dropped].into_iter().flatten().any(|lost| lost != 0)
    }

    /// What `options` say; those that make no sense are left out, and all behind one that is cut.
    pub(super) fn of_options(options: Options<'_>, order: Order, clock: Clock) -> Self {
        let mut statistics = Self::default();
        for (code, value) in options.map_while(Result::ok) {
            let Ok(value) = <[u8; 8]>::try_from(value) else { continue };
            let [a, b, c, d, e, f, g, h] = value;
            // The upper half of a time stands first, in both byte orders.
            let time = || order.ticks([a, b, c, d], [e, f, g, h]);
            match code {
                2 => statistics.start = Some(clock.nanoseconds(time())),
                3 => statistics.end = Some(clock.nanoseconds(time())),
                4 => statistics.received = Some(order.u64(value)),
                5 => statistics.dropped = Some(order.u64(value)),
                6 => statistics.accepted = Some(order.u64(value)),
                7 => statistics.os_dropped = Some(order.u64(value)),
                8 => statistics.delivered = Some(order.u64(value)),
                _ => {}
            }
        }
        statistics
    }
}
