//! What this process may do, as /proc says.

use std::fs;

/// What loading eBPF and building a network namespace takes; numbers of `linux/capability.h`.
const NEEDED: [(&str, u32); 4] =
    [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

pub(crate) fn is_root() -> bool {
    status_field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()) == Some(0)
}

/// The capabilities that the demo and the kernel tests need and this process lacks.
pub(crate) fn missing() -> Vec<&'static str> {
    let held = status_field("CapEff:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    missing_from(held.unwrap_or(0))
}

fn missing_from(held: u64) -> Vec<&'static str> {
    let lacking = NEEDED.iter().filter(|(_, bit)| held & (1 << bit) == 0);
    lacking.map(|(name, _)| *name).collect()
}

fn status_field(field: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::missing_from;

    #[test]
    fn a_missing_capability_is_named() {
        assert!(missing_from(u64::MAX).is_empty());
        assert_eq!(missing_from(!(1 << 39)), ["CAP_BPF"]);
        assert_eq!(missing_from(0).len(), 4);
    }
}
