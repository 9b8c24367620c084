//! Compares what filters decide with what libpcap does.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use wireledger::filter::{Arm, Classic, Ending, Hook, Session, ebpf, translate};
use wireledger_tests::{captures::in_parallel, libpcap::Judge, programs::Loaded};

/// Sessions of one translated program.
const TOGETHER: usize = 16;
/// Differences that are told.
const TOLD: usize = 20;

/// A filter and its judge.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) name: String,
    pub(crate) program: Classic,
    pub(crate) judge: Judge<'a>,
}

/// Several filters in one loaded program.
pub(crate) struct Group<'a> {
    hook: Hook,
    cases: &'a [Case<'a>],
    pub(crate) loaded: Loaded,
}

/// Decisions that were compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) process: u64,
    pub(crate) xdp: u64,
    pub(crate) tc: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, xdp, tc } = self;
        write!(f, "{process} decisions here, {xdp} at XDP and {tc} at TC are libpcap's")
    }
}

/// One program with a session for each case, by their order.
pub(crate) fn together(
    hook: Hook,
    cases: &[Case<'_>],
    ending: Ending,
) -> Result<Vec<ebpf::Instruction>> {
    let arms: Vec<_> =
        cases.iter().map(|case| [Arm { interfaces: None, program: &case.program }]).collect();
    let sessions: Vec<_> = (0..).zip(&arms).map(|(bit, arms)| Session { bit, arms }).collect();
    Ok(translate(hook, &sessions, ending)?)
}

impl<'a> Group<'a> {
    pub(crate) fn all(hook: Hook, cases: &'a [Case<'a>]) -> Result<Vec<Self>> {
        cases.chunks(TOGETHER).map(|cases| Self::new(hook, cases)).collect()
    }

    fn new(hook: Hook, cases: &'a [Case<'a>]) -> Result<Self> {
        let program = together(hook, cases, Ending::Verdict)?;
        let names = || cases.iter().map(|case| &*case.name).collect::<Vec<_>>().join("\n");
        let loaded = Loaded::new(hook, &program)
            .with_context(|| format!("{hook:?}, {} instructions of\n{}", program.len(), names()))?;
        Ok(Self { hook, cases, loaded })
    }

    /// Whether a test run takes the frame: at TC there must be something behind the Ethernet header, and all of an IP
    /// header where its EtherType says so.
    pub(crate) fn takes(&self, frame: &[u8]) -> bool {
        let shortest = match (self.hook, frame.get(12..14)) {
            (Hook::Xdp, _) => 14,
            (Hook::Tc, Some([0x08, 0x00])) => 14 + 20,
            (Hook::Tc, Some([0x86, 0xdd])) => 14 + 40,
            (Hook::Tc, _) => 15,
        };
        frame.len() >= shortest
    }

    /// Every bit against the judge; how many there are.
    pub(crate) fn check(&self, frame: &[u8], returned: u32) -> Result<u64> {
        for (bit, case) in self.cases.iter().enumerate() {
            let judged = case.judge.matches(frame, frame.len() as u32);
            let decided = returned & 1 << bit != 0;
            ensure!(
                judged == decided,
                "{:?} `{}`: {decided}, and libpcap says {judged} of {} bytes {frame:02x?}\n{}",
                self.hook,
                case.name,
                frame.len(),
                case.program
            );
        }
        ensure!(returned >> (self.cases.len() - 1) >> 1 == 0, "bits of no session: {returned:#x}");
        Ok(self.cases.len() as u64)
    }
}

/// Every filter on every frame, in this process, at XDP and at TC.
pub(crate) fn compare(cases: &[Case<'_>], frames: &[Vec<u8>]) -> Result<Tally> {
    let groups: Vec<_> = [Group::all(Hook::Xdp, cases)?, Group::all(Hook::Tc, cases)?]
        .into_iter()
        .flatten()
        .collect();
    let chunks: Vec<_> = frames.chunks(64).collect();
    let tallies = in_parallel(&chunks, |frames| {
        let mut tally = Tally::default();
        let mut differences = Vec::new();
        for frame in *frames {
            for case in cases {
                let length = frame.len() as u32;
                let (decided, judged) =
                    (case.program.matches(frame, length), case.judge.matches(frame, length));
                if decided != judged {
                    differences.push(format!("here `{}`: {decided} {frame:02x?}", case.name));
                }
                tally.process += 1;
            }
            for group in groups.iter().filter(|group| group.takes(frame)) {
                let compared = match group.check(frame, group.loaded.run(frame)?) {
                    Ok(compared) => compared,
                    Err(difference) => {
                        differences.push(difference.to_string());
                        continue;
                    }
                };
                match group.hook {
                    Hook::Xdp => tally.xdp += compared,
                    Hook::Tc => tally.tc += compared,
                }
            }
        }
        differences.truncate(TOLD);
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(tally)
    })?;
    let sum = |sum: Tally, one: &Tally| Tally {
        process: sum.process + one.process,
        xdp: sum.xdp + one.xdp,
        tc: sum.tc + one.tc,
    };
    Ok(tallies.iter().fold(Tally::default(), sum))
}
