//! Who counts makes no difference: this process and the loaded XDP program put every capture on the same ledger.

use std::process::Command;

use anyhow::{Context as _, Result};
use wireledger::{
    dissect::escape,
    flows::Sort,
    replay::{Captured, Engine, Ledger, Listing, Loaded, Memory, Outcome, Settings},
};
use wireledger_tests::{
    captures::{Capture, captures},
    process::{Ended, Process, binary},
};

/// More flows than all captures have.
const FLOW_MEMORY: u64 = 64 << 20;

/// The ledgers of both, packet by packet side by side; one table each for all captures, since loading takes a second.
struct Both {
    memory: Ledger,
    kernel: Ledger,
    packets: u64,
}

impl Both {
    fn new(decap: bool) -> Result<Self> {
        let settings = Settings { flow_memory: FLOW_MEMORY, decap };
        let ledger = |engine: Box<dyn Engine>| {
            Ledger::new(engine, Listing::new(usize::MAX / 2, Sort::Bytes))
        };
        Ok(Self {
            memory: ledger(Box::new(Memory::new(settings)?)),
            kernel: ledger(Box::new(Loaded::new(settings).context("loading the probe")?)),
            packets: 0,
        })
    }

    /// Puts a capture's packets on both, and compares why each was not read.
    fn capture(&mut self, capture: &Capture) -> Result<()> {
        capture.packets(|number, record, interface| {
            let Some(link) = interface.link else { return Ok(()) };
            // An interface of its own for every file, so that a flow tells where it is from.
            let name = interface.name.as_deref().map(|name| escape::text(name).to_string());
            let name =
                format!("{} {} {}", capture.name, record.interface, name.unwrap_or_default());
            let ledgers = [&mut self.memory, &mut self.kernel];
            let made = ledgers.map(|ledger| -> Result<_> {
                let interface = ledger.interface(&name, link);
                ledger.packet(&Captured {
                    time: record.time,
                    interface,
                    link,
                    outgoing: record.outgoing,
                    length: record.length,
                    bytes: record.bytes,
                })?;
                Ok(ledger.unread()?)
            });
            let [memory, kernel] = made;
            assert_eq!(memory?, kernel?, "{} packet {number}", capture.name);
            self.packets += 1;
            Ok(())
        })
    }

    fn assert_same(self) -> Result<()> {
        let (memory, kernel) = (self.memory.finish()?, self.kernel.finish()?);
        assert!(memory.balances() && kernel.balances());
        assert_eq!(memory.totals.seen.packets, self.packets);
        assert_eq!(memory.totals.seen, kernel.totals.seen);
        assert_eq!(memory.totals.unread, kernel.totals.unread);
        assert_eq!(memory.totals.overflow, kernel.totals.overflow);
        assert_eq!(memory.totals.overflow.iter().map(|count| count.packets).sum::<u64>(), 0);
        assert_eq!(memory.totals, kernel.totals);
        assert_eq!(memory.handshakes, kernel.handshakes);
        assert_handshakes(&memory);
        assert_eq!(memory.interfaces, kernel.interfaces);
        let flows = |outcome: &Outcome| outcome.listing.top(usize::MAX, Sort::Bytes);
        let (ours, theirs) = (flows(&memory), flows(&kernel));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{}", memory.interface(&ours.0));
        }
        assert_eq!(ours.len(), theirs.len());
        eprintln!("{} packets in {} flows are the same", self.packets, ours.len());
        Ok(())
    }
}

/// What began ended in one way, or is under way.
fn assert_handshakes(outcome: &Outcome) {
    let Outcome { totals, handshakes, .. } = outcome;
    let [completed, refused, abandoned, untracked] = totals.handshakes;
    let ended = completed + refused + abandoned + handshakes.expired;
    assert_eq!(totals.handshakes_begun, ended + handshakes.open);
    assert!(completed > 0 && refused > 0 && abandoned > 0 && handshakes.expired > 0);
    assert_eq!(untracked, 0);
}

fn every_capture_counts_alike(decap: bool) -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    let mut both = Both::new(decap)?;
    for capture in &captures {
        both.capture(capture)?;
    }
    both.assert_same()
}

#[test]
fn the_kernel_and_this_process_count_every_packet_alike() -> Result<()> {
    every_capture_counts_alike(false)
}

#[test]
fn the_kernel_and_this_process_count_every_packet_alike_inside_tunnels() -> Result<()> {
    every_capture_counts_alike(true)
}

/// `wireledger read` of all captures, by each engine.
fn both_say(captures: &[Capture], arguments: &[&str]) -> Result<[Ended; 2]> {
    let say = |engine| {
        let mut command = Command::new(binary()?);
        command.arg("read").args(captures.iter().map(|capture| &capture.path)).args(arguments);
        Process::run(command.args(["--engine", engine]))
    };
    Ok([say("userspace")?, say("kernel")?])
}

fn assert_same(said: [Ended; 2], what: &str) {
    let [userspace, kernel] = said;
    assert!(!userspace.stdout.is_empty(), "{what}: {}", userspace.stderr);
    assert_eq!(userspace.code, kernel.code, "{what}: {} {}", userspace.stderr, kernel.stderr);
    assert_eq!(userspace.stderr, kernel.stderr, "{what}");
    for (line, (ours, theirs)) in userspace.stdout.lines().zip(kernel.stdout.lines()).enumerate() {
        assert_eq!(ours, theirs, "{what}: line {}", line + 1);
    }
    assert_eq!(userspace.stdout.len(), kernel.stdout.len(), "{what}");
}

#[test]
fn the_engine_changes_no_word_of_the_output() -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    for arguments in [&["--json"][..], &["--json", "--decap"], &["--summary"]] {
        assert_same(both_say(&captures, arguments)?, &format!("all captures {arguments:?}"));
    }
    Ok(())
}

#[test]
fn the_engine_changes_no_word_of_single_captures() -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    // Fragments; the most packets; cut in the middle of a record; a link type that is not read; tunnels; VLAN tags.
    let names = [
        "suricata-verify__security-8510_defrag-af-confusion-spray-h8.pcap",
        "zeek__echo-connections.pcap.gz",
        "suricata-verify__http-mime-truncated.pcap",
        "tcpdump__ipoib.pcap",
        "zeek__erspan.pcap",
        "zeek__vlan-qinqinq.pcap",
    ];
    let named: Vec<_> =
        captures.iter().filter(|capture| names.contains(&&*capture.name)).cloned().collect();
    assert_eq!(named.len(), names.len(), "{named:?}");
    for capture in named {
        let what = capture.name.clone();
        let said = both_say(&[capture], &["--csv"])?;
        assert!(matches!(said[0].code, Some(0 | 1)), "{what}: {said:?}");
        assert_same(said, &what);
    }
    Ok(())
}
