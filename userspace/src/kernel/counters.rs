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
        add_health(&mut sum, totals);
    }
    sum
}

/// Header facts and the health of TCP.
fn add_health(sum: &mut Totals, totals: &Totals) {
    fn add_each(sums: &mut [u64], counts: &[u64]) {
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    add_each(&mut sum.traffic_classes, &totals.traffic_classes);
    add_each(&mut sum.fragments, &totals.fragments);
    sum.expiring += totals.expiring;
    sum.full_size += totals.full_size;
    sum.retransmitted += totals.retransmitted;
    sum.out_of_order += totals.out_of_order;
    sum.zero_window += totals.zero_window;
    sum.keep_alive += totals.keep_alive;
    sum.handshakes_begun += totals.handshakes_begun;
    sum.handshake_resent += totals.handshake_resent;
    add_each(&mut sum.handshakes, &totals.handshakes);
    for (sum, times) in sum.handshake_times.iter_mut().zip(&totals.handshake_times) {
        add_each(&mut sum.buckets, &times.buckets);
        sum.nanoseconds += times.nanoseconds;
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::{FromBytes, IntoBytes};

    use super::*;

    /// No counter is forgotten in the sum.
    #[test]
    fn every_word_of_the_totals_is_summed() {
        const WORDS: usize = size_of::<Totals>() / 8;
        let words: Vec<u64> = (1..=WORDS as u64).collect();
        let totals = Totals::read_from_bytes(words.as_bytes()).expect("the same length");
        let twice: Vec<u64> = words.iter().map(|word| word * 2).collect();
        assert_eq!(sum([&totals, &totals]).as_bytes(), twice.as_bytes());
    }
}
