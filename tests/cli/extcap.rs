//! Wireshark's way in: tshark finds the binary among its extcaps, asks it, and captures with it.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use wireledger_tests::{
    bpf::Attached,
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    process::{Ended, Process, binary},
    send::send_once,
    tools::eventually,
};

type Result<T = ()> = anyhow::Result<T>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const WATCH: [&str; 2] = ["-i", INTERFACE];
const CONNECT: &str = "WIRELEDGER_CONNECT";

/// Says what the frames are to whoever counts lines.
const FIELDS: [&str; 6] = ["-T", "fields", "-e", "udp.dstport", "-e", "frame.cap_len"];

/// Wireshark of somebody who has linked the binary among the extcaps.
struct Wireshark {
    home: TempDir,
}

impl Wireshark {
    fn new() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let binary = fs::canonicalize(binary()?)?;
        // Up to Wireshark 4.0, and from 4.2 on.
        for folder in [".config/wireshark/extcap", ".local/lib/wireshark/extcap"] {
            let folder = home.path().join(folder);
            fs::create_dir_all(&folder)?;
            symlink(&binary, folder.join("wireledger"))?;
        }
        Ok(Self { home })
    }

    fn tshark(
        &self,
        namespace: &NetNs,
        daemon: Option<&Daemon<'_>>,
        arguments: &[&str],
    ) -> Command {
        let mut command = namespace.command("tshark");
        command.args(arguments).env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME");
        match daemon {
            Some(daemon) => command.env(CONNECT, daemon.socket()),
            None => command.env_remove(CONNECT),
        };
        command
    }

    fn start(
        &self,
        namespace: &NetNs,
        daemon: Option<&Daemon<'_>>,
        arguments: &[&str],
    ) -> Result<Process> {
        let interface = format!("wireledger:{INTERFACE}");
        let all = [&["-n", "-l", "-i", &interface], arguments].concat();
        Process::start(&mut self.tshark(namespace, daemon, &all))
    }
}

/// To these UDP ports.
fn frames(ports: &[u16]) -> Vec<Vec<u8>> {
    ports.iter().map(|port| Ipv4::default().frame(&udp(1000, *port, &[7; 300]))).collect()
}

/// The one session, once it is armed.
fn armed(daemon: &Daemon<'_>) -> Result<Value> {
    eventually("a session is armed", || Ok(daemon.captures()?.into_iter().next()))
}

fn ended(daemon: &Daemon<'_>) -> Result {
    eventually("every session has ended", || Ok(daemon.captures()?.is_empty().then_some(())))
}

fn asked(arguments: &[&str]) -> Result<Ended> {
    let namespace = NetNs::new("asked")?;
    Process::run(wireledger(&namespace)?.env_remove(CONNECT).args(arguments))
}

#[test]
fn interfaces_are_listed_with_a_daemon_and_without_one() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let listed = |daemon: Option<&Daemon<'_>>| -> Result<Vec<String>> {
        let ended = Process::run(&mut wireshark.tshark(&pair.right, daemon, &["-D"]))?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let ours = ended.stdout.lines().filter_map(|line| line.split_once("wireledger:"));
        Ok(ours.map(|(_, name)| name.to_owned()).collect())
    };
    let own = format!("{INTERFACE} (Wireledger: {INTERFACE})");
    assert_eq!(listed(None)?, ["lo (Wireledger: lo)".to_owned(), own.clone()]);
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    assert_eq!(listed(Some(&daemon))?, [own], "what the daemon watches");
    Ok(())
}

#[test]
fn tshark_captures_from_the_daemon_what_it_asks_for() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let filter = ["-f", "udp port 53", "-c", "3"];
    let tshark = wireshark.start(&pair.right, Some(&daemon), &[&filter[..], &FIELDS].concat())?;
    let session = armed(&daemon)?;
    assert_eq!(session["request"]["filter"], "udp port 53", "{session}");
    assert_eq!(session["request"]["interface"], INTERFACE, "{session}");
    send_once(&pair.left, &pair.right, frames(&[80, 53, 81, 53, 53, 82]))?;
    let said = tshark.wait()?;
    assert_eq!((said.code, &*said.stdout), (Some(0), &*"53\t128\n".repeat(3)), "{said:?}");
    ended(&daemon)
}

#[test]
fn options_reach_the_session() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let mut arguments = Vec::new();
    let options = ["snaplen:60", "direction:in", "rate:500", "every:2"];
    let options = options.map(|option| format!("extcap.wireledger_{INTERFACE}.{option}"));
    for option in &options {
        arguments.extend(["-o", option]);
    }
    arguments.extend(FIELDS);
    let mut tshark = wireshark.start(&pair.right, Some(&daemon), &arguments)?;
    let request = &armed(&daemon)?["request"];
    assert_eq!((&request["snaplen"], &request["direction"]), (&60.into(), &"in".into()));
    assert_eq!((&request["rate"], &request["every"]), (&500.into(), &2.into()));
    send_once(&pair.left, &pair.right, frames(&[53; 8]))?;
    let came = || Ok(tshark.said()?.0.contains("53\t60\n").then_some(()));
    eventually("a packet of 60 bytes", came)?;
    tshark.signal(libc::SIGINT)?;
    assert_eq!(tshark.wait()?.code, Some(0));
    ended(&daemon)
}

#[test]
fn no_session_outlives_tshark_however_it_ends() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
        let tshark = wireshark.start(&pair.right, Some(&daemon), &[])?;
        armed(&daemon)?;
        tshark.signal(signal)?;
        tshark.wait()?;
        if signal == libc::SIGKILL {
            // Its dumpcap learns of that when it has something to tell.
            send_once(&pair.left, &pair.right, frames(&[53]))?;
        }
        ended(&daemon)?;
    }
    let said = wireshark.start(&pair.right, Some(&daemon), &["-a", "duration:1"])?.wait()?;
    assert_eq!(said.code, Some(0), "{said:?}");
    ended(&daemon)
}

#[test]
fn a_wrong_filter_is_told_in_wiresharks_window() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    for daemon in [Some(&daemon), None] {
        let said = wireshark.start(&pair.right, daemon, &["-f", "tcp prot 80"])?.wait()?;
        assert!(said.code != Some(0) && said.stderr.contains("`tcp prot 80`"), "{said:?}");
    }
    Ok(())
}

#[test]
fn without_a_daemon_a_probe_comes_and_goes() -> Result {
    let (pair, wireshark) = (Pair::new(QUIET)?, Wireshark::new()?);
    let arguments = [&["-f", "udp port 53", "-c", "3"][..], &FIELDS].concat();
    let tshark = wireshark.start(&pair.right, None, &arguments)?;
    let over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let sending = scope.spawn(|| -> Result {
            // Nobody says when it is armed.
            while !over.load(Ordering::Relaxed) {
                send_once(&pair.left, &pair.right, frames(&[80, 53]))?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        });
        let said = tshark.wait();
        over.store(true, Ordering::Relaxed);
        sending.join().expect("the sender does not panic")?;
        said
    })?;
    assert_eq!((said.code, &*said.stdout), (Some(0), &*"53\t128\n".repeat(3)), "{said:?}");
    let detached =
        || Ok((Attached::to(&pair.right, INTERFACE)? == Attached::default()).then_some(()));
    eventually("nothing is attached", detached)
}

#[test]
fn questions_have_answers_in_any_order() -> Result {
    let interface = ["--extcap-interface", "wireledger:lo"];
    let dlts = asked(&[&["--extcap-dlts"][..], &interface].concat())?;
    assert_eq!(dlts.code, Some(0), "{dlts:?}");
    assert!(dlts.stdout.starts_with("dlt {number=1}{name=EN10MB}"), "{dlts:?}");
    let config = asked(&[&interface[..], &["--extcap-config"]].concat())?;
    for option in ["--snaplen", "--direction", "--rate", "--every", "--connect"] {
        assert!(config.stdout.contains(&format!("{{call={option}}}")), "{config:?}");
    }
    let listed = asked(&["--extcap-interfaces", "--extcap-version=4.4"])?;
    assert!(listed.stdout.starts_with("extcap {version="), "{listed:?}");
    assert!(listed.stdout.contains("interface {value=wireledger:lo}"), "{listed:?}");

    // A filter is right when nothing is said of it.
    let filter = |text| asked(&[&interface[..], &["--extcap-capture-filter", text]].concat());
    let right = filter("tcp port 80")?;
    assert_eq!((right.code, &*right.stdout, &*right.stderr), (Some(0), "", ""));
    assert!(filter("tcp prot 80")?.stdout.contains("syntax error"));
    Ok(())
}

#[test]
fn what_makes_no_sense_is_exit_code_2() -> Result {
    for arguments in [
        &["--extcap-interface", "eth0", "--extcap-dlts"][..],
        &["--extcap-interface", "wireledger:lo"],
        &["--extcap-nonsense"],
        // With a subcommand before it, it is nothing of Wireshark's.
        &["flows", "--extcap-interfaces"],
    ] {
        let ended = asked(arguments)?;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    }
    let nowhere = ["--capture", "--extcap-interface", "wireledger:lo", "--fifo", "/no/fifo"];
    let ended = asked(&nowhere)?;
    assert!(ended.code == Some(1) && ended.stderr.contains("/no/fifo"), "{ended:?}");
    Ok(())
}
