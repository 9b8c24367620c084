//! The ways in: the unix socket's file, and who may capture over which listener.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use nix::unistd::Group;
use serde_json::{Value, json};
use tempfile::TempDir;
use wireledger_tests::{
    bpf::Attached,
    daemon::{Daemon, PORT, get, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    process::{Ended, Process, binary},
    send::send_once,
    tools::eventually,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const WATCH: [&str; 2] = ["-i", INTERFACE];
const CAPTURES: &str = "/api/v1/captures";
const TOKEN: &str = "a-token-of-some-length";
/// A second daemon's.
const OTHER_PORT: u16 = PORT + 1;

/// An answer, read by hand: whatever its status.
#[derive(Debug)]
struct Said {
    status: u16,
    head: String,
    body: Value,
}

fn ask(mut stream: impl Read + Write, path: &str, header: &str) -> anyhow::Result<Said> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
    let status = head.split(' ').nth(1).context("an answer without a status")?.parse()?;
    Ok(Said { status, head: head.to_lowercase(), body: serde_json::from_str(body)? })
}

fn over_tcp(namespace: &NetNs, header: &str) -> anyhow::Result<Said> {
    let stream = namespace.enter(|| TcpStream::connect(("127.0.0.1", PORT)))??;
    ask(stream, CAPTURES, header)
}

fn over_socket(path: &Path) -> anyhow::Result<Said> {
    ask(UnixStream::connect(path)?, CAPTURES, "")
}

/// A run that ends by itself, with an error.
fn failing(namespace: &NetNs, code: i32, arguments: &[&str]) -> anyhow::Result<Ended> {
    let ended = Process::run(wireledger(namespace)?.arg("run").args(WATCH).args(arguments))?;
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    Ok(ended)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// A file with a token.
fn token_file(folder: &TempDir, token: &str, mode: u32) -> anyhow::Result<String> {
    let file = folder.path().join("token");
    fs::write(&file, token)?;
    fs::set_permissions(&file, Permissions::from_mode(mode))?;
    Ok(text(&file)?.to_owned())
}

#[test]
fn the_socket_is_for_its_owner_and_the_group_asked_for() -> Result {
    const GROUP: &str = "daemon";
    let pair = Pair::new(QUIET)?;
    for (arguments, group) in [
        (&["--socket-group", GROUP][..], Group::from_name(GROUP)?.context(GROUP)?.gid.as_raw()),
        (&["--socket-group", "54321"], 54321),
        (&[], 0),
    ] {
        let daemon = Daemon::start(&pair.right, &[&WATCH[..], arguments].concat())?;
        let file = fs::symlink_metadata(daemon.socket())?;
        assert!(file.file_type().is_socket());
        assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o660, 0, group));
    }
    let socket = tempfile::tempdir()?.path().join("s");
    let unknown = ["--socket", text(&socket)?, "--socket-group", "no-such-group"];
    let ended = failing(&pair.right, 1, &unknown)?;
    assert!(ended.stderr.contains("no-such-group"), "{ended:?}");
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn commands_ask_over_the_socket_as_over_tcp() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let socket = daemon.socket();
    let socket = text(&socket)?;
    for place in [&format!("unix:{socket}"), socket] {
        for command in ["ledger", "flows", "interfaces"] {
            // The file is enough: no network namespace but that of the test.
            let mut asking = std::process::Command::new(binary()?);
            let ended = Process::run(asking.args([command, "--json", "--connect", place]))?;
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
            let said: Value = serde_json::from_str(&ended.stdout)?;
            let there: Value = daemon.json(&format!("/api/v1/{command}"))?;
            let keys = |of: &Value| of.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
            assert_eq!(keys(&said), keys(&there));
            assert_eq!(said["interfaces"], there["interfaces"]);
        }
    }
    Ok(())
}

#[test]
fn captures_are_for_the_socket() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let said = over_socket(&daemon.socket())?;
    assert_eq!((said.status, &said.body), (200, &json!({ "captures": [] })), "{said:?}");
    let said = over_tcp(&pair.right, "")?;
    assert_eq!(said.status, 403, "{said:?}");
    let error = said.body["error"].as_str().context("no error")?;
    for way in ["unix socket", "--web.allow-capture", "--web.capture-token-file"] {
        assert!(error.contains(way), "{error}");
    }
    Ok(())
}

#[test]
fn captures_are_for_everybody_where_that_is_wanted() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &[&WATCH[..], &["--web.allow-capture"]].concat())?;
    assert_eq!(over_tcp(&pair.right, "")?.status, 200);
    assert_eq!(over_socket(&daemon.socket())?.status, 200);
    Ok(())
}

#[test]
fn captures_are_for_whoever_has_the_token() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let file = token_file(&folder, &format!("{TOKEN}\n"), 0o600)?;
    let arguments = [&WATCH[..], &["--web.capture-token-file", &file]].concat();
    let daemon = Daemon::start(&pair.right, &arguments)?;
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(over_tcp(&pair.right, &right)?.status, 200);
    for wrong in ["", "Authorization: Bearer a-token-of-some-lengtH\r\n", "Authorization: x\r\n"] {
        let said = over_tcp(&pair.right, wrong)?;
        assert_eq!(said.status, 401, "{said:?}");
        assert!(said.head.contains("\r\nwww-authenticate: bearer"), "{said:?}");
        assert!(!said.body.to_string().contains(TOKEN), "{said:?}");
    }
    assert_eq!(over_socket(&daemon.socket())?.status, 200);
    // A token is for captures: everything else is open as it was.
    daemon.ledger()?;
    let ended = daemon.ask(&["ledger", "--token-file", &file])?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = daemon.ask(&["ledger", "--token-file", "/nowhere"])?;
    assert!(ended.code == Some(1) && ended.stderr.contains("--token-file"), "{ended:?}");
    Ok(())
}

#[test]
fn a_token_that_is_none_stops_the_start() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    for (token, mode, why) in [
        (TOKEN, 0o644, "chmod 0600"),
        (TOKEN, 0o640, "chmod 0600"),
        ("long, but of several words\n", 0o600, "letters, digits"),
        ("short\n", 0o600, "at least 16 characters"),
    ] {
        let file = token_file(&folder, token, mode)?;
        let ended = failing(&pair.right, 1, &["--web.capture-token-file", &file])?;
        assert!(ended.stderr.contains(&file), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
    }
    failing(&pair.right, 1, &["--web.capture-token-file", "/nowhere"])?;
    let both = ["--web.capture-token-file", "/nowhere", "--web.allow-capture"];
    failing(&pair.right, 2, &both)?;
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn a_stopped_daemon_takes_its_socket_away_and_a_killed_ones_is_replaced() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let socket = folder.path().join("new/s");
    let arguments = [&WATCH[..], &["--socket", text(&socket)?]].concat();
    for signal in [libc::SIGKILL, libc::SIGINT, libc::SIGKILL, libc::SIGTERM] {
        let daemon = Daemon::start(&pair.right, &arguments)?;
        assert_eq!(over_socket(&socket)?.status, 200);
        assert_eq!(fs::metadata(folder.path().join("new"))?.mode() & 0o7777, 0o755);
        daemon.end(signal)?;
        assert_eq!(socket.exists(), signal == libc::SIGKILL);
    }
    Ok(())
}

#[test]
fn what_is_in_the_sockets_place_stays() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.left, &WATCH)?;
    let socket = daemon.socket();
    let ended = failing(&pair.right, 1, &["--socket", text(&socket)?])?;
    let said = format!("another wireledger listens on {}", socket.display());
    assert!(ended.stderr.contains(&said) && ended.stderr.contains("--socket names"), "{ended:?}");
    assert_eq!(over_socket(&socket)?.status, 200);

    let file = folder.path().join("file");
    fs::write(&file, "precious")?;
    let ended = failing(&pair.right, 1, &["--socket", text(&file)?])?;
    assert!(ended.stderr.contains("no socket"), "{ended:?}");
    assert_eq!(fs::read_to_string(&file)?, "precious");
    let ended = failing(&pair.right, 1, &["--socket", &format!("{}/s", file.display())])?;
    assert!(ended.stderr.contains(text(&file)?), "{ended:?}");
    failing(&pair.right, 1, &["--socket", &format!("/tmp/{}", "x".repeat(200))])?;
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn another_daemons_socket_outlives_ours() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let socket = folder.path().join("s");
    let arguments = [&WATCH[..], &["--socket", text(&socket)?]].concat();
    let first = Daemon::start(&pair.right, &arguments)?;
    fs::remove_file(&socket)?;
    let second = Daemon::start_on(&pair.right, OTHER_PORT, &arguments)?;
    assert_eq!(first.stop()?.code, Some(0));
    assert_eq!(over_socket(&socket)?.status, 200);
    assert_eq!(second.stop()?.code, Some(0));
    assert!(!socket.exists());
    Ok(())
}

/// A daemon whose socket nobody named, where /run is a file system of its own.
struct Unnamed {
    process: Process,
    run: PathBuf,
}

impl Unnamed {
    /// `inside`: a command that enters or makes the mount namespace.
    fn start(namespace: &NetNs, port: u16, inside: &[&str]) -> anyhow::Result<Self> {
        let listen = format!("127.0.0.1:{port}");
        let mut command = namespace.command(inside[0]);
        command.env_remove("WIRELEDGER_SOCKET").args(&inside[1..]).arg(binary()?);
        command.arg("run").args(WATCH).args(["--web.listen-address", &listen]);
        let mut process = Process::start(&mut command)?;
        eventually("the daemon is ready", || {
            ensure!(process.is_running()?, "the daemon ended: {:?}", process.said()?);
            Ok(get(namespace, &format!("http://{listen}/-/ready")).ok())
        })?;
        let run = format!("/proc/{}/root/run/wireledger/wireledger.sock", process.id()).into();
        Ok(Self { process, run })
    }

    fn stop(self) -> anyhow::Result<Ended> {
        self.process.signal(libc::SIGTERM)?;
        let ended = self.process.wait()?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        Ok(ended)
    }
}

/// Gives a daemon a /run of its own, mounted with an option.
fn own_run(option: &str) -> String {
    format!("mount -t tmpfs -o {option} none /run && exec \"$@\"")
}

#[test]
fn a_daemon_goes_on_without_the_default_socket() -> Result {
    let pair = Pair::new(QUIET)?;
    let inside = |script: &'static str| ["unshare", "-m", "sh", "-c", script, "sh"];
    let (writable, closed) = (own_run("mode=755").leak(), own_run("ro").leak());
    let first = Unnamed::start(&pair.right, PORT, &inside(writable))?;
    assert_eq!(over_socket(&first.run)?.status, 200);
    assert_eq!(fs::metadata(&first.run)?.mode() & 0o7777, 0o660);

    let mount = format!("--mount=/proc/{}/ns/mnt", first.process.id());
    let second = Unnamed::start(&pair.right, OTHER_PORT, &["nsenter", &mount, "--"])?;
    let ended = second.stop()?;
    assert!(ended.stderr.contains("another wireledger listens on"), "{ended:?}");
    assert_eq!(over_socket(&first.run)?.status, 200);
    let run = first.run.clone();
    assert!(!first.stop()?.stderr.contains("no unix socket"));
    assert!(!run.exists());

    let ended = Unnamed::start(&pair.right, PORT, &inside(closed))?.stop()?;
    let warned = |line: &str| line.contains("no unix socket") && line.contains("Read-only");
    assert!(ended.stderr.lines().any(warned), "{ended:?}");
    Ok(())
}

#[test]
fn a_socket_without_the_right_to_it_names_its_group() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &[&WATCH[..], &["--socket-group", "daemon"]].concat())?;
    let socket = daemon.socket();
    let folder = socket.parent().context("no folder")?;
    // The binary may be where nobody else can go.
    let copy = folder.join("wireledger");
    fs::copy(binary()?, &copy)?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    fs::set_permissions(folder, Permissions::from_mode(0o711))?;
    let as_group = |group: u32| {
        let mut command = pair.right.command("setpriv");
        command.args(["--reuid=65534", &format!("--regid={group}"), "--clear-groups", "--"]);
        command.arg(&copy).args(["ledger", "--connect"]).arg(&socket);
        Process::run(&mut command)
    };
    let ended = as_group(65534)?;
    assert!(ended.code == Some(1) && ended.stderr.contains("group daemon"), "{ended:?}");
    let ended = as_group(fs::metadata(&socket)?.gid())?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    Ok(())
}

#[test]
fn a_place_that_cannot_be_asked_says_what_to_write() -> Result {
    let namespace = NetNs::new("places")?;
    for (place, said) in [
        ("https://127.0.0.1:9", "not supported yet"),
        ("unix:/nowhere/s", "unix:/nowhere/s"),
        ("unix:", "write unix:PATH"),
        ("ftp://127.0.0.1", "write http://"),
    ] {
        let asked = Process::run(wireledger(&namespace)?.args(["flows", "--connect", place]))?;
        assert!(asked.code == Some(1) && asked.stderr.contains(said), "{asked:?}");
        assert_eq!(asked.stderr.lines().count(), 1, "{asked:?}");
    }
    Ok(())
}

/// An answer that fills every buffer on its way, of which nobody has read more than the head.
fn long_answer(pair: &Pair, daemon: &Daemon<'_>) -> anyhow::Result<(UnixStream, usize)> {
    const FLOWS: u16 = 10_000;
    let frames = (1..=FLOWS).map(|n| Ipv4::default().frame(&udp(n, 53, &[]))).collect();
    let sent = send_once(&pair.left, &pair.right, frames)?;
    daemon.settled(INTERFACE, "ingress", sent.packets)?;
    let mut stream = UnixStream::connect(daemon.socket())?;
    write!(stream, "GET /api/v1/flows?top={FLOWS} HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0].into());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.context("an answer without a length")?.parse()?;
    assert!(length > 1 << 20, "{length} bytes may be on their way already");
    Ok((stream, length))
}

#[test]
fn an_answer_under_way_is_given_to_the_end() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let (mut stream, length) = long_answer(&pair, &daemon)?;
    // The rest is read when everything else has ended.
    let reading = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest.len())
    });
    assert_eq!(daemon.stop()?.code, Some(0));
    assert_eq!(reading.join().ok().context("a panic")??, length);
    Ok(())
}

#[test]
fn a_client_that_stops_half_way_does_not_hold_up_the_end() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &WATCH)?;
    let (_reader, _) = long_answer(&pair, &daemon)?;
    let mut writer = pair.right.enter(|| TcpStream::connect(("127.0.0.1", PORT)))??;
    writer.write_all(b"GET /metrics HT")?;
    let socket = daemon.socket();
    assert_eq!(daemon.stop()?.code, Some(0));
    assert!(!socket.exists());
    Ok(())
}
