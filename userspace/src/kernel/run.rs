//! The loaded programs on bytes instead of traffic: BPF_PROG_TEST_RUN.

use aya::programs::{Program, TestRun, TestRunOptions};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use wireledger_common::names;
use zerocopy::IntoBytes;

use super::{Error, Probe};

/// What the verifier made of a program.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Its name.
    pub program: String,
    /// Instructions the verifier walked through; the kernel's limit is one million. `None` before Linux 5.16.
    pub verified: Option<u32>,
    /// Bytes of BPF after the verifier's rewriting.
    pub translated: Option<u32>,
    /// Bytes of machine code.
    pub jited: u32,
}

/// Keeps this thread on the CPU it is on: runs of a replay then use one CPU's slice of the flow table.
///
/// # Errors
/// When the kernel refuses.
pub fn stay_on_this_cpu() -> Result<(), Error> {
    let stay = || {
        let mut cpus = CpuSet::new();
        cpus.set(sched_getcpu()?)?;
        sched_setaffinity(Pid::from_raw(0), &cpus)
    };
    stay().map_err(|error| Error::system("staying on one CPU")(error.into()))
}

impl Probe {
    /// Runs the XDP program once on a frame of at least 14 bytes, on this CPU, as if it came in on the loopback interface
    /// (index 1).
    ///
    /// # Errors
    /// When the kernel refuses the run.
    pub fn run_xdp(&mut self, frame: &[u8]) -> Result<u32, Error> {
        let program = names::XDP;
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        let result = self.xdp(program)?.test_run(options);
        result.map(|result| result.return_value).map_err(Error::program(program))
    }

    /// The same with only the first `linear` bytes of the frame in its linear part (Linux 6.18).
    ///
    /// # Errors
    /// When the kernel refuses the run.
    pub fn run_xdp_in_buffers(&mut self, frame: &[u8], linear: u32) -> Result<u32, Error> {
        let program = names::XDP;
        // `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context = [0, linear, 0, 0, 0, 0];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.ctx_in = Some(context.as_bytes());
        let result = self.xdp(program)?.test_run(options);
        result.map(|result| result.return_value).map_err(Error::program(program))
    }

    /// Runs a TC program once on a frame of at least 14 bytes.
    ///
    /// # Errors
    /// When the kernel refuses the run.
    pub fn run_tc(&mut self, egress: bool, frame: &[u8]) -> Result<u32, Error> {
        let program = if egress { names::TC_EGRESS } else { names::TC_INGRESS };
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        let result = self.classifier(program)?.test_run(options);
        result.map(|result| result.return_value).map_err(Error::program(program))
    }

    /// Empties the flow table.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn clear_table(&mut self) -> Result<(), Error> {
        self.table_mut().clear()
    }

    /// What the verifier made of each program, by name.
    #[must_use]
    pub fn verified(&self) -> Vec<Verified> {
        let mut all: Vec<_> = self
            .ebpf
            .programs()
            .filter_map(|(name, program)| {
                let info = match program {
                    Program::Xdp(program) => program.info(),
                    Program::SchedClassifier(program) => program.info(),
                    _ => return None,
                };
                let info = info.ok()?;
                Some(Verified {
                    program: name.to_owned(),
                    verified: info.verified_instruction_count(),
                    translated: info.size_translated(),
                    jited: info.size_jitted(),
                })
            })
            .collect();
        all.sort_by(|a, b| a.program.cmp(&b.program));
        all
    }
}
