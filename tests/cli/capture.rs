//! `wireledger capture` and the stream over HTTP: what is printed when, how it ends, what other programs read of it.

use std::{fs, process::Command};

use serde_json::Value;
use wireledger_tests::{
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, Pair, Setup, output},
    packets::{ip::Ipv4, transport::udp},
    process::{Ended, Process, binary},
    send::send_once,
    tools::eventually,
};

type Result<T = ()> = anyhow::Result<T>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const WATCH: [&str; 2] = ["-i", INTERFACE];

fn frames(ports: &[u16]) -> Vec<Vec<u8>> {
    ports.iter().map(|port| Ipv4::default().frame(&udp(1000, *port, &[7; 10]))).collect()
}

/// A daemon on a quiet wire.
fn with_daemon(test: impl FnOnce(&Pair, &Daemon<'_>) -> Result) -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    test(&pair, &daemon)?;
    ended(&daemon)
}

/// `wireledger capture`, asking the daemon.
fn capture(daemon: &Daemon<'_>, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.arg("capture").args(arguments).env("WIRELEDGER_CONNECT", daemon.socket());
    Ok(command)
}

/// A pipeline; `$W` is the binary, `$S` the daemon's socket.
fn pipeline(daemon: &Daemon<'_>, line: &str) -> Result<Process> {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).env("W", binary()?).env("S", daemon.socket());
    Process::start(shell.env("WIRELEDGER_CONNECT", daemon.socket()))
}

/// The one session, once it is armed.
fn armed(daemon: &Daemon<'_>) -> Result<Value> {
    eventually("a session is armed", || Ok(daemon.captures()?.into_iter().next()))
}

fn ended(daemon: &Daemon<'_>) -> Result {
    eventually("every session has ended", || Ok(daemon.captures()?.is_empty().then_some(())))
}

/// Waits until it has printed as many lines.
fn printed(process: &mut Process, lines: usize) -> Result {
    eventually("lines", || Ok((process.said()?.0.lines().count() == lines).then_some(())))
}

#[test]
fn packets_are_printed_as_they_come_and_counted_at_the_end() -> Result {
    with_daemon(|pair, daemon| {
        let mut command = capture(daemon, &["-n", "udp", "port", "53"])?;
        let mut capturing = Process::start(&mut command)?;
        armed(daemon)?;
        send_once(&pair.left, &pair.right, frames(&[53, 80, 53, 81, 53]))?;
        printed(&mut capturing, 3)?;
        capturing.signal(libc::SIGUSR1)?;
        let counts =
            "3 packets captured\n3 packets received by filter\n0 packets dropped by kernel\n";
        eventually("counts so far", || Ok(capturing.said()?.1.contains(counts).then_some(())))?;
        send_once(&pair.left, &pair.right, frames(&[53]))?;
        printed(&mut capturing, 4)?;
        capturing.signal(libc::SIGINT)?;
        let said = capturing.wait()?;
        assert_eq!(said.code, Some(0), "{said:?}");
        let counts = counts.replace('3', "4") + &format!("6 packets seen on {INTERFACE}\n");
        assert!(said.stderr.ends_with(&counts), "{said:?}");
        Ok(())
    })
}

#[test]
fn a_closed_pipe_ends_the_session_quietly() -> Result {
    with_daemon(|pair, daemon| {
        let capturing =
            pipeline(daemon, "$W capture -n udp | head -n 1; echo ${PIPESTATUS[0]} >&2")?;
        armed(daemon)?;
        send_once(&pair.left, &pair.right, frames(&[53]))?;
        let said = capturing.wait()?;
        assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
        assert!(said.stderr.ends_with("bytes of each packet\n0\n"), "{said:?}");
        // Not even a packet is needed to notice.
        let said = pipeline(daemon, "$W capture | true; echo ${PIPESTATUS[0]} >&2")?.wait()?;
        assert!(said.stderr.ends_with("bytes of each packet\n0\n"), "{said:?}");
        Ok(())
    })
}

#[test]
fn the_stream_over_http_is_read_while_it_grows() -> Result {
    const CURL: &str = "curl -sSN --unix-socket $S 'http://localhost/api/v1/capture?filter=udp'";
    with_daemon(|pair, daemon| {
        let mut reading =
            pipeline(daemon, &format!("{CURL} | tshark -nl -r - -T fields -e udp.dstport"))?;
        let id = armed(daemon)?["id"].to_string();
        for sent in 1..4 {
            send_once(&pair.left, &pair.right, frames(&[53]))?;
            printed(&mut reading, sent)?;
        }
        let socket = daemon.socket();
        let mut end = Command::new(binary()?);
        end.args(["captures", "--end", &id, "--connect"]).arg(socket);
        assert_eq!(Process::run(&mut end)?.code, Some(0));
        let said = reading.wait()?;
        assert_eq!((said.code, &*said.stdout), (Some(0), "53\n53\n53\n"), "{said:?}");
        Ok(())
    })
}

#[test]
fn other_programs_read_what_is_streamed() -> Result {
    const CURL: &str =
        "curl -sS --unix-socket $S 'http://localhost/api/v1/capture?filter=udp&count=5'";
    let lines = [
        (format!("{CURL} | capinfos -TrcE -"), "-\tether\t5\n"),
        ("$W capture -c 5 -w - | capinfos -TrcE -".to_owned(), "-\tether\t5\n"),
        ("$W capture -c 5 -w - udp | tcpdump -nr - --count".to_owned(), "5 packets\n"),
        ("$W capture -c 5 -w - udp | $W read - --packets -t | sort -u | wc -l".to_owned(), "1\n"),
    ];
    with_daemon(|pair, daemon| {
        for (line, expected) in lines {
            let reading = pipeline(daemon, &line)?;
            armed(daemon)?;
            send_once(&pair.left, &pair.right, frames(&[53; 7]))?;
            let said = reading.wait()?;
            assert_eq!((said.code, &*said.stdout), (Some(0), expected), "{line}: {said:?}");
            ended(daemon)?;
        }
        Ok(())
    })
}

#[test]
fn a_file_holds_packets_and_counts_while_it_grows() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("live.pcapng");
    let name = file.to_string_lossy().into_owned();
    with_daemon(|pair, daemon| {
        let arguments = ["-n", "-w", &name, "--print", "udp port 53"];
        let mut capturing = Process::start(&mut capture(daemon, &arguments)?)?;
        armed(daemon)?;
        let whole = |file: &_| output(Command::new("capinfos").args(["-Trc"]).arg(file));
        eventually("packets in the file", || {
            send_once(&pair.left, &pair.right, frames(&[53, 80]))?;
            // Not made yet, or in the middle of a write.
            let Ok(info) = whole(&file) else { return Ok(None) };
            let packets: u64 = info.trim().split('\t').nth(1).unwrap_or_default().parse()?;
            Ok((packets > 3).then_some(()))
        })?;
        assert!(capturing.said()?.0.lines().count() > 3, "printed as well");
        capturing.signal(libc::SIGTERM)?;
        let said = capturing.wait()?;
        assert_eq!(said.code, Some(0), "{said:?}");
        let captured = said.stderr.lines().find(|line| line.ends_with("captured"));
        let read = Process::run(Command::new(binary()?).args(["read", &name]))?;
        let packets = read.stderr.split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(captured, Some(&*format!("{packets} packets captured")), "{read:?}");
        Ok(())
    })
}

#[test]
fn files_that_cannot_be_made_are_found_out_before_anything_is_armed() -> Result {
    with_daemon(|_, daemon| {
        let said = Process::run(&mut capture(daemon, &["-w", "/nosuch/folder/file"])?)?;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("/nosuch/folder/file"), "{said:?}");
        let listed = daemon.captures()?;
        assert!(listed.is_empty(), "{listed:?}");
        Ok(())
    })
}

#[test]
fn so_many_files_and_no_more() -> Result {
    let folder = tempfile::tempdir()?;
    let name = folder.path().join("part").to_string_lossy().into_owned();
    with_daemon(|pair, daemon| {
        let arguments = ["-w", &format!("{name}-%s"), "-G", "1", "-W", "1"];
        let mut capturing = Process::start(&mut capture(daemon, &arguments)?)?;
        armed(daemon)?;
        while capturing.is_running()? {
            send_once(&pair.left, &pair.right, frames(&[53]))?;
        }
        let said = capturing.wait()?;
        assert_eq!(said.code, Some(0), "{said:?}");
        let files: Vec<_> = fs::read_dir(&folder)?.collect::<std::io::Result<_>>()?;
        assert_eq!(files.len(), 1);
        let read = Process::run(Command::new(binary()?).arg("read").arg(files[0].path()))?;
        let packets = read.stderr.split(' ').next().unwrap_or_default().to_owned();
        let noun = if packets == "1" { "packet" } else { "packets" };
        assert!(said.stderr.contains(&format!("\n{packets} {noun} captured\n")), "{said:?}");
        Ok(())
    })
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result {
    with_daemon(|_, daemon| {
        for (arguments, words) in [
            (&["tcp prot 80"][..], "syntax error"),
            (&["-d", "tcp prot 80"], "syntax error"),
            (&["-w", "-", "--print"], "standard output"),
            (&["-C", "1"], "--write"),
            (&["-c", "0"], "0"),
            (&["--every", "0"], "0"),
            (&["-V", "--json"], "--json"),
            (&["-F", "/dev/null", "tcp"], "--filter-file"),
        ] {
            let said = Process::run(&mut capture(daemon, arguments)?)?;
            assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
            assert!(said.stderr.contains(words), "{said:?}");
        }
        let absent = Process::run(&mut capture(daemon, &["-i", "nosuch"])?)?;
        assert!(absent.code == Some(1) && absent.stderr.contains(INTERFACE), "{absent:?}");
        Ok(())
    })
}

#[test]
fn without_a_daemon_interfaces_must_be_named() -> Result {
    let pair = Pair::new(QUIET)?;
    let mut command = wireledger(&pair.right)?;
    let said = Process::run(command.env_remove("WIRELEDGER_CONNECT").arg("capture"))?;
    assert!(said.code == Some(2) && said.stderr.contains("-i IFACE"), "{said:?}");
    Ok(())
}

#[test]
fn programs_are_printed_as_tcpdump_prints_them() -> Result {
    for expression in ["icmp", "tcp port 80 and greater 100", "ip6 or vlan 7"] {
        for form in ["-dd", "-ddd"] {
            let ours = output(Command::new(binary()?).args(["capture", form, expression]))?;
            let theirs = output(Command::new("tcpdump").args(["-y", "EN10MB", form, expression]))?;
            assert_eq!(ours, theirs, "{expression}");
        }
    }
    let Ended { stdout, .. } =
        Process::run(Command::new(binary()?).args(["capture", "-d", "icmp"]))?;
    for head in ["# classic BPF\n(000) ", "\n\n# eBPF for XDP", "\n\n# eBPF for TC"] {
        assert!(stdout.contains(head), "{stdout}");
    }
    Ok(())
}
