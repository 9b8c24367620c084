//! Attaching tells the truth: other people's programs stay, nothing of ours does, and interfaces may come and go.

use wireledger_tests::{
    answers::Watched,
    bpf::{Attached, Foreign},
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{
        ip::Ipv4,
        link::{arp, ether_type, ethernet},
        transport::udp,
    },
    process::{Ended, Process},
    send::{Tally, send_once},
    tools::eventually,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Sends a hundred frames to the right end.
fn hundred(pair: &Pair) -> anyhow::Result<Tally> {
    let frames = (0..100).map(|n| Ipv4::default().frame(&udp(1000, n, b"payload"))).collect();
    send_once(&pair.left, &pair.right, frames)
}

fn assert_seen(daemon: &Daemon<'_>, sent: Tally) -> Result {
    let ledger = daemon.settled(INTERFACE, "ingress", sent.packets)?;
    ledger.assert_balanced();
    assert_eq!(ledger.seen(INTERFACE, "ingress"), sent);
    Ok(())
}

/// A run that must fail by itself.
fn failing_run(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    let ended = Process::run(wireledger(namespace)?.arg("run").args(arguments))?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{ended:?}");
    Ok(ended)
}

fn is_tc(mode: &str) -> bool {
    matches!(mode, "tcx" | "clsact")
}

#[test]
fn auto_takes_native_xdp_and_tc_for_egress() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let Watched { present, ingress, egress, .. } = daemon.interface(INTERFACE)?;
    assert!(present);
    assert_eq!((ingress.mode.as_str(), ingress.why), ("native", None));
    assert!(is_tc(&egress.mode), "{egress:?}");
    assert_eq!(Attached::to(&pair.right, INTERFACE)?.xdp.len(), 1);
    Ok(())
}

#[test]
fn directions_not_asked_for_are_left_alone() -> Result {
    let pair = Pair::new(QUIET)?;
    for (direction, hooks) in [("ingress", (1, 0)), ("egress", (0, 1))] {
        let arguments = ["-i", INTERFACE, "--direction", direction];
        let daemon = Daemon::start(&pair.right, &arguments)?;
        let Attached { xdp, ingress, egress, filters } = Attached::to(&pair.right, INTERFACE)?;
        let behind = egress.len() + usize::from(!filters.is_empty());
        assert_eq!((xdp.len(), behind), hooks, "{direction}");
        assert!(ingress.is_empty(), "{direction}");
        daemon.stop()?;
    }
    Ok(())
}

#[test]
fn auto_leaves_a_foreign_program_alone_and_says_so() -> Result {
    let pair = Pair::new(QUIET)?;
    let foreign = Foreign::attach(&pair.right, INTERFACE)?;
    let id = foreign.id()?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let ingress = daemon.interface(INTERFACE)?.ingress;
    assert!(is_tc(&ingress.mode), "{ingress:?}");
    let why = ingress.why.unwrap_or_default();
    assert!(names(&why, id), "{why:?} does not name program {id}");
    assert_seen(&daemon, hundred(&pair)?)?;
    assert_eq!(Attached::to(&pair.right, INTERFACE)?.xdp, [id]);
    daemon.stop()?;
    let left = Attached { xdp: vec![id], ..Attached::default() };
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, left);
    Ok(())
}

#[test]
fn native_fails_by_the_id_of_a_foreign_program_and_leaves_nothing_half_done() -> Result {
    let pair = Pair::new(QUIET)?;
    // Comes first by index, so that it would be attached before the failure.
    pair.right.run("ip link add wl1 index 1000 type veth peer name wl2")?;
    let foreign = Foreign::attach(&pair.right, INTERFACE)?;
    let id = foreign.id()?;
    let names_both = ["-i", "wl1", "-i", INTERFACE, "--mode", "native"];
    let ended = failing_run(&pair.right, &names_both)?;
    assert!(names(&ended.stderr, id), "{ended:?} does not name program {id}");
    let left = Attached { xdp: vec![id], ..Attached::default() };
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, left);
    assert_eq!(Attached::to(&pair.right, "wl1")?, Attached::default());
    Ok(())
}

/// The id stands there as a word of its own.
fn names(text: &str, id: u32) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|word| word == id.to_string())
}

#[test]
fn the_second_daemon_on_an_interface_takes_tc() -> Result {
    let pair = Pair::new(QUIET)?;
    let first = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let second = Daemon::start_on(&pair.right, 9856, &["-i", INTERFACE])?;
    assert_eq!(first.interface(INTERFACE)?.ingress.mode, "native");
    assert!(is_tc(&second.interface(INTERFACE)?.ingress.mode));
    let sent = hundred(&pair)?;
    assert_seen(&first, sent)?;
    assert_seen(&second, sent)?;
    first.stop()?;
    // One end of a daemon is none of the other's.
    let more = hundred(&pair)?;
    assert_seen(&second, [sent, more].into_iter().sum())
}

#[test]
fn nothing_is_left_attached_after_sigterm_and_after_kill() -> Result {
    let pair = Pair::new(QUIET)?;
    for mode in ["native", "generic", "tc"] {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGKILL] {
            let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--mode", mode])?;
            assert_ne!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
            let ended = daemon.end(signal)?;
            let code = if signal == libc::SIGKILL { None } else { Some(0) };
            assert_eq!(ended.code, code, "{mode}, signal {signal}: {ended:?}");
            let gone = format!("{mode}, signal {signal}: nothing attached");
            eventually(&gone, || {
                let attached = Attached::to(&pair.right, INTERFACE)?;
                Ok((attached == Attached::default()).then_some(()))
            })?;
        }
    }
    Ok(())
}

#[test]
fn an_interface_that_comes_back_is_watched_again_and_its_totals_go_on() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let mut sent = hundred(&pair)?;
    assert_seen(&daemon, sent)?;
    for _ in 0..2 {
        pair.right.run(&format!("ip link del {INTERFACE}"))?;
        eventually("the interface is known to be gone", || {
            let Watched { present, ingress, .. } = daemon.interface(INTERFACE)?;
            Ok((!present && ingress.mode == "none").then_some(()))
        })?;
        assert_seen(&daemon, sent)?;
        pair.join(QUIET)?;
        eventually("the interface is watched again", || {
            Ok((daemon.interface(INTERFACE)?.ingress.mode == "native").then_some(()))
        })?;
        sent = [sent, hundred(&pair)?].into_iter().sum();
        assert_seen(&daemon, sent)?;
    }
    Ok(())
}

#[test]
fn a_pattern_watches_what_matches_now_and_later() -> Result {
    let namespace = NetNs::new("globs")?;
    namespace.run("ip link add wla0 type veth peer name other0")?;
    let daemon = Daemon::start(&namespace, &["-i", "wla*"])?;
    let watched = || -> anyhow::Result<Vec<String>> {
        let all = daemon.interfaces()?;
        let present = all.into_iter().filter(|one| one.present && one.ingress.mode == "native");
        Ok(present.map(|one| one.name).collect())
    };
    assert_eq!(watched()?, ["wla0"]);
    namespace.run("ip link add wla1 type veth peer name other1")?;
    eventually("the new interface is watched", || {
        Ok((watched()? == ["wla0", "wla1"]).then_some(()))
    })?;
    assert_eq!(Attached::to(&namespace, "other0")?, Attached::default());
    assert_eq!(Attached::to(&namespace, "other1")?, Attached::default());
    namespace.run("ip link set wla1 name elsewhere")?;
    eventually("the renamed interface is let go", || {
        let attached = Attached::to(&namespace, "elsewhere")?;
        Ok((watched()? == ["wla0"] && attached == Attached::default()).then_some(()))
    })
}

/// The probe's own diagnostics: a line for every packet that is in no flow, and none unless they are asked for.
#[test]
fn the_probe_s_log_joins_the_daemon_s_at_debug_and_is_silent_at_info() -> Result {
    let arp_request = ethernet(ether_type::ARP, &arp(1));
    for (level, lines) in [("debug", 3), ("info", 0)] {
        let pair = Pair::new(QUIET)?;
        let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--log.level", level])?;
        let sent = send_once(&pair.left, &pair.right, vec![arp_request.clone(); 3])?;
        daemon.settled(INTERFACE, "ingress", sent.packets)?;
        let ended = daemon.stop()?;
        let of_probe = ended.stderr.lines().filter(|line| line.contains("unread, reason 1"));
        assert_eq!(of_probe.count(), lines, "{level}: {}", ended.stderr);
    }
    Ok(())
}
