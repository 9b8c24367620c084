//! What became of the packets, in tcpdump's three lines and what it has no line for.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    capfile::{Interface, Statistics},
    capture::Request,
};

/// Counts so far; shared with whoever prints them at a signal.
#[derive(Clone, Default)]
pub(super) struct Summary(Arc<Mutex<Counts>>);

#[derive(Clone, Default)]
struct Counts {
    /// Packets that came.
    captured: u64,
    /// What the session counted, last.
    session: Statistics,
    interfaces: Vec<String>,
}

impl Summary {
    fn with<T>(&self, see: impl FnOnce(&mut Counts) -> T) -> T {
        see(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes how things stand.
    pub(super) fn note(
        &self,
        captured: u64,
        interfaces: &[Interface],
        statistics: &[Option<Statistics>],
    ) {
        self.with(|counts| {
            counts.captured = captured;
            counts.session = sum(statistics.iter().flatten());
            if counts.interfaces.len() != interfaces.len() {
                let names = interfaces.iter().map(|one| one.name.clone().unwrap_or_default());
                counts.interfaces = names.collect();
            }
        });
    }

    /// Prints the lines to standard error.
    pub(super) fn print(&self, request: &Request) -> anyhow::Result<()> {
        let text = self.with(|counts| counts.text(request));
        std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes())?;
        Ok(())
    }
}

impl Counts {
    fn text(&self, request: &Request) -> String {
        let Statistics { received, dropped, accepted, os_dropped, delivered, .. } = self.session;
        let number = Option::unwrap_or_default;
        let (accepted, lost) = (number(accepted), number(os_dropped));
        let unread = number(dropped).saturating_sub(lost);
        let passed = number(delivered) + number(dropped);
        let left = accepted.saturating_sub(passed);
        let mut text = format!(
            "{} captured\n{} received by filter\n{} dropped by kernel\n",
            packets(self.captured),
            packets(accepted),
            packets(lost),
        );
        if unread != 0 {
            text += &format!("{} dropped because this command did not keep up\n", packets(unread));
        }
        let reasons = reasons(request);
        if left != 0 && !reasons.is_empty() {
            text += &format!("{} left out by {}\n", packets(left), reasons.join(", "));
        }
        if let Some(received) = received {
            text += &format!("{} seen on {}\n", packets(received), self.interfaces.join(", "));
        }
        text
    }
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

fn sum<'a>(all: impl Iterator<Item = &'a Statistics>) -> Statistics {
    let mut sum = Statistics::default();
    for one in all {
        for (sum, one) in [
            (&mut sum.received, one.received),
            (&mut sum.dropped, one.dropped),
            (&mut sum.accepted, one.accepted),
            (&mut sum.os_dropped, one.os_dropped),
            (&mut sum.delivered, one.delivered),
        ] {
            *sum = match (*sum, one) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or_default() + b.unwrap_or_default()),
            };
        }
    }
    sum
}
