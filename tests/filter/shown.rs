//! Programs look as tcpdump shows them.

use anyhow::Result;
use wireledger::filter::{Classic, compile};
use wireledger_tests::libpcap::Libpcap;

use super::{ETHERNET, corpus};

#[test]
fn programs_look_as_tcpdump_shows_them() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut programs = corpus::programs()?.into_iter().map(|(_, program)| program).collect();
    let compiled: &mut Vec<Classic> = &mut programs;
    for text in corpus::expressions() {
        compiled.push(compile(text, ETHERNET)?);
    }
    for program in programs {
        let (ours, theirs) = (program.to_string(), libpcap.show(program.instructions())?);
        assert_eq!(ours.lines().count(), theirs.lines().count());
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            // It runs `ldx #pktlen`, and has no name for it.
            if !theirs.contains("unimp") {
                assert_eq!(ours.trim_end(), theirs, "{program}");
            }
        }
    }
    Ok(())
}
