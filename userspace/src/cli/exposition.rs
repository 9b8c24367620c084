//! The options of `/metrics`: which collectors are on, how many may ask at once.

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use crate::{
    metrics::{Collector, Collectors},
    plan,
};

/// What is told of, and to how many at once.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct Exposition {
    /// Scrapes that are answered at once; more get status 503. 0 for as many as come
    #[arg(long = "web.max-requests", value_name = "N", default_value_t = plan::Exposition::MAX_REQUESTS)]
    max_requests: usize,
    #[command(flatten)]
    collectors: Switches,
}

impl Exposition {
    pub(super) const fn plan(&self) -> plan::Exposition {
        plan::Exposition { collectors: self.collectors.0, max_requests: self.max_requests }
    }
}

/// Two flags for each collector; the last one given counts.
#[derive(Debug)]
struct Switches(Collectors);

/// Starts from none.
const DISABLE_DEFAULTS: &str = "collector.disable-defaults";

impl clap::Args for Switches {
    fn augment_args(command: Command) -> Command {
        let switch = |flag: &'static str, other: &'static str| {
            Arg::new(flag).long(flag).action(ArgAction::SetTrue).overrides_with(other)
        };
        let mut command = command.arg(
            Arg::new(DISABLE_DEFAULTS)
                .long(DISABLE_DEFAULTS)
                .action(ArgAction::SetTrue)
                .help("Only the collectors that are switched on by name"),
        );
        for collector in Collector::ALL {
            let [on, off] = collector.flags();
            command = command
                .arg(switch(on, off).help(collector.about()))
                .arg(switch(off, on).help("Leaves them out"));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Switches {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let none = matches.get_flag(DISABLE_DEFAULTS);
        let mut collectors = if none { Collectors::NONE } else { Collectors::ALL };
        for collector in Collector::ALL {
            let [on, off] = collector.flags();
            if matches.get_flag(on) || matches.get_flag(off) {
                collectors = collectors.with(collector, matches.get_flag(on));
            }
        }
        Ok(Self(collectors))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        exposition: Exposition,
    }

    fn collectors(flags: &[&str]) -> Collectors {
        let words = ["run"].into_iter().chain(flags.iter().copied());
        Line::try_parse_from(words).expect("parses").exposition.plan().collectors
    }

    #[test]
    fn the_last_flag_of_a_collector_counts() {
        use Collector::{Kernel, Talkers};
        assert_eq!(collectors(&[]), Collectors::ALL);
        assert_eq!(collectors(&["--no-collector.kernel"]), Collectors::ALL.with(Kernel, false));
        assert_eq!(collectors(&["--collector.disable-defaults"]), Collectors::NONE);
        assert_eq!(
            collectors(&["--collector.talkers", "--collector.disable-defaults"]),
            Collectors::NONE.with(Talkers, true)
        );
        let both = ["--no-collector.kernel", "--collector.kernel"];
        assert_eq!(collectors(&both), Collectors::ALL);
        assert!(!collectors(&["--collector.kernel", "--no-collector.kernel"]).has(Kernel));
    }

    #[test]
    fn every_flag_is_taken() {
        for flag in Collector::ALL.into_iter().flat_map(Collector::flags) {
            collectors(&[&format!("--{flag}")]);
        }
    }
}
