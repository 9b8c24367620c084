//! What became of the packets, in tcpdump's three lines and what it has no line for.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    capfile::{Interface, Statistics},
    capture::{Request, Tally},
};

/// Counts so far; shared with whoever prints them at a signal.
#[derive(Clone, Default)]
pub(super) struct Summary(Arc<Mutex<Counts>>);

#[derive(Clone, Default)]
struct Counts {
    /// Packets that came.
    captured: u64,
    /// What the session counted, as the stream told last.
    session: Tally,
    interfaces: Vec<String>,
}

impl Summary {
    fn with<T>(&self, see: impl FnOnce(&mut Counts) -> T) -> T {
        see(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another packet came.
    pub(super) fn packet(&self) {
        self.with(|counts| counts.captured += 1);
    }

    /// Packets that came so far.
    pub(super) fn captured(&self) -> u64 {
        self.with(|counts| counts.captured)
    }

    /// Notes what the session counted on each interface.
    pub(super) fn note(&self, interfaces: &[Interface], statistics: &[Option<Statistics>]) {
        self.with(|counts| {
            counts.session = Tally::default();
            for one in statistics.iter().flatten() {
                counts.session.add(&tally(one));
            }
            if counts.interfaces.len() != interfaces.len() {
                let names = interfaces.iter().map(|one| one.name.clone().unwrap_or_default());
                counts.interfaces = names.collect();
            }
        });
    }

    /// Prints the lines to standard error, with `now` instead of what was noted.
    pub(super) fn print(&self, request: &Request, now: Option<Tally>) -> io::Result<()> {
        let text = self.with(|counts| {
            counts.session = now.unwrap_or(counts.session);
            counts.text(request)
        });
        io::stderr().lock().write_all(text.as_bytes())
    }
}

impl Counts {
    fn text(&self, request: &Request) -> String {
        let Tally { seen, matched, left_out, over_budget, lost, unread, .. } = self.session;
        let mut text = format!(
            "{} captured\n{} received by filter\n{} dropped by kernel\n",
            packets(self.captured),
            packets(matched),
            packets(lost),
        );
        if unread != 0 {
            text += &format!("{} dropped because this command did not keep up\n", packets(unread));
        }
        let (left, reasons) = (left_out + over_budget, reasons(request));
        if left != 0 && !reasons.is_empty() {
            text += &format!("{} left out by {}\n", packets(left), reasons.join(", "));
        }
        let on = self.interfaces.join(", ");
        if !on.is_empty() {
            text += &format!("{} seen on {on}\n", packets(seen));
        }
        text
    }
}

/// An interface's statistics as a tally. They do not tell what was left out from what was over the budget.
fn tally(statistics: &Statistics) -> Tally {
    let Statistics { received, dropped, accepted, os_dropped, delivered, .. } = *statistics;
    let number = Option::unwrap_or_default;
    let (matched, lost, read) = (number(accepted), number(os_dropped), number(delivered));
    let unread = number(dropped).saturating_sub(lost);
    let left_out = matched.saturating_sub(lost + unread + read);
    let delivered = unread + read;
    Tally { seen: number(received), matched, left_out, over_budget: 0, lost, delivered, unread }
}

/// Options that leave packets out.
fn reasons(request: &Request) -> Vec<&'static str> {
    let given = [
        ("-c", request.count.is_some()),
        ("--bytes", request.bytes.is_some()),
        ("--every", request.every != 1),
        ("--first", request.first.is_some()),
        ("--rate", request.rate.is_some()),
    ];
    given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
}

fn packets(count: u64) -> String {
    if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_tell_where_every_matched_packet_went() {
        let statistics = Statistics {
            received: Some(100),
            accepted: Some(60),
            dropped: Some(7),
            os_dropped: Some(5),
            delivered: Some(30),
            ..Statistics::default()
        };
        let told = tally(&statistics);
        assert_eq!((told.seen, told.matched, told.lost, told.unread), (100, 60, 5, 2));
        assert_eq!(told.matched, told.left_out + told.over_budget + told.lost + told.delivered);
        assert_eq!(told.delivered - told.unread, 30);
    }

    #[test]
    fn lines_are_tcpdumps_and_name_what_left_packets_out() {
        let summary = Summary::default();
        summary.packet();
        assert_eq!(summary.captured(), 1);
        let interface = Interface { name: Some("eth0".to_owned()), ..Interface::of_linktype(1) };
        let counted = Statistics { received: Some(9), accepted: Some(4), ..Statistics::default() };
        summary.note(&[interface], &[Some(counted)]);
        let request = Request { rate: Some(1), ..Request::default() };
        let text = summary.with(|counts| counts.text(&request));
        let lines: Vec<_> = text.lines().collect();
        let [captured, received, dropped, left, seen] = lines[..] else { panic!("{text}") };
        assert_eq!(captured, "1 packet captured");
        assert_eq!(
            (received, dropped),
            ("4 packets received by filter", "0 packets dropped by kernel")
        );
        assert_eq!((left, seen), ("4 packets left out by --rate", "9 packets seen on eth0"));
    }
}
