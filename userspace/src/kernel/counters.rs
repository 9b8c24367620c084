//! Interface totals and losses, read by look-up.

use aya::maps::{MapData, PerCpuArray, PerCpuValues};
use wireledger_common::{
    abi::totals::{Count, Losses, Totals},
    names,
};
use zerocopy::FromZeros;

use super::Error;

/// The totals of one place: one per possible CPU and direction.
pub struct PlaceTotals {
    /// Ingress, by CPU.
    pub ingress: Vec<Totals>,
    /// Egress, by CPU.
    pub egress: Vec<Totals>,
}

impl PlaceTotals {
    /// The totals of one direction, by CPU.
    #[must_use]
    pub fn of(&self, egress: bool) -> &[Totals] {
        if egress { &self.egress } else { &self.ingress }
    }
}

pub(super) fn read(map: &PerCpuArray<MapData, Totals>, place: u32) -> Result<PlaceTotals, Error> {
    let read = |index| map.get(&index, 0).map(|values| values.to_vec());
    Ok(PlaceTotals {
        ingress: read(place * 2).map_err(Error::map(names::TOTALS))?,
        egress: read(place * 2 + 1).map_err(Error::map(names::TOTALS))?,
    })
}

pub(super) fn clear(map: &mut PerCpuArray<MapData, Totals>, place: u32) -> Result<(), Error> {
    for index in [place * 2, place * 2 + 1] {
        let cpus = map.get(&index, 0).map_err(Error::map(names::TOTALS))?.len();
        let zeros = PerCpuValues::try_from(vec![Totals::new_zeroed(); cpus])
            .map_err(Error::system("counting CPUs"))?;
        map.set(index, zeros, 0).map_err(Error::map(names::TOTALS))?;
    }
    Ok(())
}

pub(super) fn losses(map: &PerCpuArray<MapData, Losses>) -> Result<Losses, Error> {
    let mut sum = Losses::default();
    for cpu in map.get(&0, 0).map_err(Error::map(names::LOSSES))?.iter() {
        sum.records += cpu.records;
        sum.records_refused += cpu.records_refused;
        sum.unannounced += cpu.unannounced;
        sum.unplaced.add(cpu.unplaced.packets, cpu.unplaced.bytes);
    }
    Ok(sum)
}

/// Adds the totals of several CPUs.
#[must_use]
pub fn sum<'a>(cpus: impl IntoIterator<Item = &'a Totals>) -> Totals {
    fn add_all(sums: &mut [Count], counts: &[Count]) {
        for (sum, count) in sums.iter_mut().zip(counts) {
            sum.add(count.packets, count.bytes);
        }
    }
    let mut sum = Totals::new_zeroed();
    for totals in cpus {
        sum.seen.add(totals.seen.packets, totals.seen.bytes);
        for (sums, counts) in sum.read.iter_mut().zip(&totals.read) {
            add_all(sums, counts);
        }
        add_all(&mut sum.overflow, &totals.overflow);
        add_all(&mut sum.unread, &totals.unread);
        for (sum, count) in sum.flags.iter_mut().zip(totals.flags) {
            *sum += count;
        }
        for (sum, count) in sum.sizes.iter_mut().zip(totals.sizes) {
            *sum += count;
        }
    }
    sum
}
