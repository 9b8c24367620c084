//! What a detector tells of itself.

/// The table of newcomers does not fit into memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no memory to remember {0} sources: choose fewer")]
pub struct NoMemory(pub(super) usize);

/// What a detector has seen, kept and forgotten.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Attempts that were counted, by outcome in the order of [`Outcome::ALL`](super::Outcome::ALL).
    pub attempts: [u64; 4],
    /// Flows that tell nothing of scans, ICMP errors included.
    pub ignored: u64,
    /// Attempts of sources on the allow-list.
    pub allowed: u64,
    /// Sources with few failures that are remembered.
    pub newcomers: u64,
    /// Sources with more.
    pub suspects: u64,
    /// Newcomers that left for others.
    pub evicted_newcomers: u64,
    /// Failures of sources that found all in their places had failed more often.
    pub refused_newcomers: u64,
    /// Suspects that left for others, or found that all had more evidence.
    pub evicted_suspects: u64,
    /// Times that a suspect's pairs were forgotten because there were too many and they were no scan.
    pub begun_anew: u64,
    /// Suspects that changed and were not looked at yet.
    pub waiting: u64,
    /// Verdicts under way.
    pub under_way: u64,
    /// Verdicts that ended and are not told any more.
    pub forgotten_verdicts: u64,
    /// Bytes of memory.
    pub bytes: u64,
}
