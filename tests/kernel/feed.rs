//! Questions to the keeper of the ledger.

use std::{collections::HashSet, sync::Arc};

use wireledger_tests::{
    collected::{collect, plan},
    netns::{INTERFACE, Pair, Setup},
};

/// As many as may wait.
const ASKERS: usize = 64;

#[test]
fn questions_that_wait_together_share_answers_and_each_gets_one() -> anyhow::Result<()> {
    let pair = Pair::new(Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false })?;
    let (answers, _) =
        collect(&pair.right, &plan(INTERFACE)?, |collected| collected.snapshots(ASKERS))?;
    assert_eq!(answers.len(), ASKERS);
    let different: HashSet<_> = answers.iter().map(Arc::as_ptr).collect();
    // They are asked in less time than one answer takes.
    assert!(different.len() < ASKERS / 2, "{} answers", different.len());
    Ok(())
}
