//! The families, a table for each collector. An entry is a family whole: name, labels, help, and how its samples are found;
//! its type is the function that makes it.

pub(super) mod captures;
pub(super) mod distinct;
pub(super) mod flows;
pub(super) mod interface;
pub(super) mod kernel;
pub(super) mod ledger;
pub(super) mod program;
pub(super) mod protocols;
pub(super) mod recorder;
pub(super) mod scans;
pub(super) mod scrape;
pub(super) mod talkers;
pub(super) mod tcp;

use wireledger_common::abi::totals::Totals;

use super::{
    Format, Kind,
    encode::{Head, Samples},
};
use crate::report::{InterfaceTotals, Snapshot};

/// A metric family, with samples from a `T`.
pub(super) struct Family<T: ?Sized + 'static = Snapshot> {
    /// As the text format has it: a counter's ends in `_total`, an info's in `_info`, a unit stands before those.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Label names, in order.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    samples: Find<T>,
}

type Find<T> = fn(&T, &mut Samples<'_>);

impl<T: ?Sized> Family<T> {
    /// Writes its samples, or only counts them; returns how many there are.
    pub(super) fn write(&self, from: &T, out: Option<(&mut Vec<u8>, Format)>) -> usize {
        let Self { name, kind, labels, help, samples } = *self;
        let mut sink = Samples::new(out, Head { name, kind, help }, labels);
        samples(from, &mut sink);
        sink.series()
    }
}

type Labels = &'static [&'static str];

const fn counter<T: ?Sized>(
    name: &'static str,
    labels: Labels,
    help: &'static str,
    samples: Find<T>,
) -> Family<T> {
    Family { name, kind: Kind::Counter, labels, help, samples }
}

const fn gauge<T: ?Sized>(
    name: &'static str,
    labels: Labels,
    help: &'static str,
    samples: Find<T>,
) -> Family<T> {
    Family { name, kind: Kind::Gauge, labels, help, samples }
}

const fn histogram<T: ?Sized>(
    name: &'static str,
    labels: Labels,
    help: &'static str,
    samples: Find<T>,
) -> Family<T> {
    Family { name, kind: Kind::Histogram, labels, help, samples }
}

const fn info<T: ?Sized>(
    name: &'static str,
    labels: Labels,
    help: &'static str,
    samples: Find<T>,
) -> Family<T> {
    Family { name, kind: Kind::Info, labels, help, samples }
}

/// Labels of what there is once for each interface and direction.
const PLACE: Labels = &["interface", "direction"];

/// Every interface and direction, as the labels of [`PLACE`].
fn each(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], &Totals)) {
    for InterfaceTotals { interface, direction, totals, .. } in &snapshot.totals {
        see([interface, direction.label()], totals);
    }
}
