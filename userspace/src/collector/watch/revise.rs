//! A reload: what is named now is watched, what is not is let go, or all stays as it was.

use anyhow::Context;

use super::{Outcome, Watch, check_names};
use crate::{
    flows::Ledger,
    kernel::{Probe, links::Interface},
    plan::Pattern,
};

impl Watch {
    /// Watches what `patterns` name from here on: all of it, or on a failure what it watched before.
    ///
    /// What is named already goes on without a gap. What is not named any more is let go: its totals stay.
    pub(in crate::collector) fn revise(
        &mut self,
        probe: &mut Probe,
        ledger: &mut Ledger,
        patterns: Vec<Pattern>,
        all: Vec<Interface>,
    ) -> anyhow::Result<()> {
        let named: Vec<_> =
            patterns.iter().filter(|pattern| !self.patterns.contains(pattern)).cloned().collect();
        check_names(&named, &all)?;
        let before = std::mem::replace(&mut self.patterns, patterns);
        let known: Vec<_> = self.watched.keys().cloned().collect();
        for interface in all {
            let name = interface.name.clone();
            let is_new = !before.iter().any(|pattern| pattern.matches(&name));
            // Renamed a moment ago: the change that says so is on its way, and comes with all that belongs to one.
            let renamed = self.watched.iter().any(|(other, watched)| {
                let present = watched.present.as_ref();
                *other != name && present.is_some_and(|present| present.index == interface.index)
            });
            if !self.wants(&name) || !is_new || renamed {
                continue;
            }
            // Replaced without a word: an index of the same name that is no longer there.
            self.gone(probe, |old| old.name == name && old.index != interface.index);
            if let Err(error) = self.attach(probe, ledger, interface) {
                self.patterns = before;
                self.take_back(probe, ledger, &known)?;
                return Err(error);
            }
        }
        let unnamed: Vec<_> =
            self.watched.keys().filter(|name| !self.wants(name)).cloned().collect();
        unnamed.iter().for_each(|name| self.let_go(name));
        Ok(())
    }

    /// Undoes what was attached besides the `known` ones, which were there before.
    fn take_back(
        &mut self,
        probe: &mut Probe,
        ledger: &mut Ledger,
        known: &[String],
    ) -> anyhow::Result<()> {
        let new: Vec<_> =
            self.watched.keys().filter(|name| !known.contains(name)).cloned().collect();
        for name in new {
            let Some(watched) = self.watched.remove(&name) else { continue };
            let (place, index) = (watched.place, watched.present.as_ref().map(|one| one.index));
            // Detaches; whatever is in a program still ends before the place is another's.
            drop(watched);
            probe.settle();
            if let Some(index) = index {
                probe.set_place(index, None)?;
            }
            probe.clear_totals(place).context("clearing a place")?;
            ledger.forget(place);
        }
        Ok(())
    }

    /// Detaches from an interface that is there. Its place stays its own while it is there: a packet that is in a program
    /// still is counted where it belongs.
    fn let_go(&mut self, name: &str) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        if watched.is_attached() {
            tracing::info!(interface = name, "let go: nothing names it any more");
        }
        let why = || Some("not named any more".to_owned());
        watched.ingress = Outcome { attachment: None, why: why() };
        watched.egress = Outcome { attachment: None, why: why() };
    }
}
