//! How many entries the tables may have, so that a scrape never has more series than allowed.

use super::party::Dimension;

/// Series of an entry, and of the rest of a table: packets and bytes.
const SERIES: usize = 2;

/// Most entries of each table, by dimension.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes([usize; Dimension::COUNT]);

impl Sizes {
    /// The same for every dimension.
    #[must_use]
    pub const fn all(size: usize) -> Self {
        Self([size; Dimension::COUNT])
    }

    /// Most entries of a table of this dimension.
    #[must_use]
    pub const fn of(&self, dimension: Dimension) -> usize {
        self.0[dimension as usize]
    }

    /// Most series of all tables of so many interfaces.
    #[must_use]
    pub fn series(&self, interfaces: usize) -> usize {
        let each = Dimension::ALL.map(|one| one.directions() * (self.of(one) + 1) * SERIES);
        each.iter().sum::<usize>() * interfaces
    }
}

/// Shares out what the fixed series leave of `max_series`; `None` when it is too little even for the rest of each table, and then there are
/// to be no tables.
///
/// Each interface gets the same. Of that, every table gets the same number of entries, at most `top`; what is left then goes, one
/// entry a table, to hosts, flows and ports in this order, as far as it reaches.
#[must_use]
pub fn budget(
    max_series: usize,
    fixed_series: usize,
    interfaces: usize,
    top: usize,
) -> Option<Sizes> {
    let left = max_series.saturating_sub(fixed_series);
    let rest = Sizes::default().series(interfaces);
    if left < rest {
        return None;
    }
    let Some(lines) = ((left - rest) / SERIES).checked_div(interfaces) else {
        return Some(Sizes::all(top));
    };
    let tables: usize = Dimension::ALL.map(Dimension::directions).iter().sum();
    let equal = (lines / tables).min(top);
    let mut sizes = Sizes::all(equal);
    if equal < top {
        let left = lines - equal * tables;
        // Two tables each.
        let more = [Dimension::Host, Dimension::Flow, Dimension::Port].into_iter().take(left / 2);
        more.for_each(|dimension| sizes.0[dimension as usize] += 1);
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_budget_on_one_interface() {
        let sizes = budget(5000, 750, 1, 500).expect("enough");
        assert_eq!(Dimension::ALL.map(|one| sizes.of(one)), [303, 303, 302, 302]);
        assert_eq!(sizes.series(1), 4250);
        assert_eq!(budget(100_000, 750, 1, 500), Some(Sizes::all(500)));
    }

    #[test]
    fn too_little_leaves_the_rest_alone_and_less_nothing() {
        assert_eq!(budget(114, 100, 1, 500), Some(Sizes::default()));
        assert_eq!(budget(113, 100, 1, 500), None);
        assert_eq!(budget(0, 100, 1, 500), None);
        assert_eq!(budget(0, 0, 0, 500), Some(Sizes::all(500)));
    }

    proptest! {
        #[test]
        fn a_budget_is_kept_and_nearly_used(
            max in 0_usize..200_000,
            fixed in 0_usize..20_000,
            interfaces in 1_usize..200,
            top in 0_usize..2000,
        ) {
            match budget(max, fixed, interfaces, top) {
                Some(sizes) => {
                    let used = fixed + sizes.series(interfaces);
                    prop_assert!(used <= max);
                    let all = Dimension::ALL.map(|one| sizes.of(one));
                    prop_assert!(all.iter().all(|size| *size <= top));
                    // One more conversation on every interface would be too much, or is not allowed.
                    let fewest = all.iter().min().copied().unwrap_or_default();
                    let tables = 7 * SERIES * interfaces;
                    prop_assert!(fewest == top || used + tables > max);
                }
                None => prop_assert!(fixed + Sizes::default().series(interfaces) > max),
            }
        }

        #[test]
        fn more_interfaces_never_get_more(
            max in 0_usize..50_000,
            interfaces in 1_usize..50,
        ) {
            let few = budget(max, 500, interfaces, 500).unwrap_or_default();
            let many = budget(max, 500, interfaces + 1, 500).unwrap_or_default();
            for one in Dimension::ALL {
                prop_assert!(many.of(one) <= few.of(one));
            }
        }
    }
}
