//! Where the web listens: several addresses, unix sockets, systemd's; what it tells systemd; which pages there are; and
//! that clients who say nothing hold up nobody.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::{
            fs::MetadataExt as _,
            net::{UnixDatagram, UnixListener},
        },
    },
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use wireledger_tests::{
    daemon::wireledger,
    netns::{INTERFACE, NetNs, Pair, Setup},
    process::{Ended, Process, binary},
    tools::eventually,
    web::{Certificates, Server, curl},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const LISTEN: &str = "--web.listen-address";
const READY: &str = "https://127.0.0.1:9855/-/ready";

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn failing(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    let ended =
        Process::run(wireledger(namespace)?.args(["run", "-i", INTERFACE]).args(arguments))?;
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    Ok(ended)
}

#[test]
fn every_address_is_served_and_of_both_versions() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let file = folder.path().join("web.sock");
    let unix = format!("unix:{}", text(&file)?);
    let listen = ["127.0.0.2:9801", ":9802", "[::1]:9803", "localhost:9804", &unix];
    let listen: Vec<_> = listen.into_iter().flat_map(|address| [LISTEN, address]).collect();
    let server = Server::start(&pair.right, &[&["run", "-i", INTERFACE][..], &listen].concat())?;
    for url in [
        "http://127.0.0.2:9801",
        "http://127.0.0.1:9802",
        "http://[::1]:9802",
        "http://[::1]:9803",
        "http://127.0.0.1:9804",
    ] {
        assert_eq!(server.curl(&[&format!("{url}/-/ready")])?.status, 200, "{url}");
    }
    assert_eq!(server.curl(&["http://127.0.0.1:9803/-/ready"])?.code, Some(7));
    // The file is for owner and group; who may capture is said for the web, not by the file.
    assert_eq!(fs::metadata(&file)?.mode() & 0o7777, 0o660);
    let over =
        |path: &str| server.curl(&["--unix-socket", text(&file)?, &format!("http://x{path}")]);
    assert_eq!((over("/metrics")?.status, over("/api/v1/captures")?.status), (200, 403));
    assert_eq!(server.local(&["http://x/api/v1/captures"])?.status, 200);
    assert_eq!(server.stop()?.code, Some(0));
    assert!(!file.exists());
    Ok(())
}

#[test]
fn an_address_that_is_none_or_taken_is_an_error() -> Result {
    let pair = Pair::new(QUIET)?;
    let _taken = pair.right.enter(|| TcpListener::bind(("127.0.0.1", 9801)))??;
    for (address, code, said) in [
        ("9801", 2, "write ADDRESS:PORT"),
        ("vsock://:9801", 2, "vsock is not served"),
        ("127.0.0.1:9801", 1, "127.0.0.1:9801 (--web.listen-address)"),
        ("192.0.2.1:9801", 1, "192.0.2.1:9801"),
        ("no-such-host.invalid:9801", 1, "no-such-host.invalid:9801"),
        ("unix:/proc/x", 1, "--web.listen-address"),
    ] {
        let ended = failing(&pair.right, &[LISTEN, address])?;
        assert!(ended.code == Some(code) && ended.stderr.contains(said), "{address}: {ended:?}");
    }
    Ok(())
}

#[test]
fn pages_are_where_the_landing_page_says_and_nowhere_else() -> Result {
    let pair = Pair::new(QUIET)?;
    let run = ["run", "-i", INTERFACE, LISTEN, "127.0.0.1:9801"];
    let server =
        Server::start(&pair.right, &[&run[..], &["--web.telemetry-path", "/m/x"]].concat())?;
    let ask = |path: &str| server.curl(&[&format!("http://127.0.0.1:9801{path}")]);
    let page = ask("/")?;
    assert!(page.head.contains("content-type: text/html"), "{page:?}");
    assert!(page.body.contains(&format!("Version {}.", env!("CARGO_PKG_VERSION"))), "{page:?}");
    let links: Vec<_> = page
        .body
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().replace("&amp;", "&"))
        .collect();
    assert!(links.contains(&"/m/x".to_owned()) && links.len() == 8, "{links:?}");
    for link in &links {
        assert_eq!(ask(link)?.status, 200, "{link}");
    }
    // Packets are for the local socket here, and so is the link to them.
    assert!(!links.contains(&"/api/v1/captures".to_owned()));
    let local = server.local(&["http://x/"])?;
    assert!(local.body.contains("/api/v1/captures"), "{local:?}");
    for absent in ["/metrics", "/m", "/x", "/api", "/api/v1", "/-/", "/-/quit", "//"] {
        assert_eq!(ask(absent)?.status, 404, "{absent}");
    }
    for path in ["metrics", "/", "/api/v1/flows", "/-/ready", "/a b"] {
        let ended = failing(&pair.right, &["--web.telemetry-path", path])?;
        assert!(ended.code == Some(2) && ended.stderr.contains("telemetry-path"), "{ended:?}");
    }
    Ok(())
}

/// Starts a daemon with open sockets, as systemd does: from descriptor 3 on, and the daemon's process id in a variable.
fn activated<'a>(
    namespace: &'a NetNs,
    sockets: &[RawFd],
    more: &str,
) -> anyhow::Result<Server<'a>> {
    let each = |place: fn(usize, RawFd) -> String| -> String {
        sockets.iter().enumerate().map(|(n, fd)| place(n, *fd)).collect()
    };
    // By way of numbers that nobody has: one that is to be copied may have another's place.
    let aside = each(|n, fd| format!(" {}<&{fd}", n + 200));
    let places = each(|n, _| format!(" {}<&{}", n + 3, n + 200));
    let script = format!(
        "exec{aside}; exec env LISTEN_FDS={} LISTEN_PID=$$ \"$0\" run -i {INTERFACE} --web.systemd-socket {more}{places}",
        sockets.len()
    );
    // Not sh, which may know descriptors of one digit alone.
    let mut command = namespace.command("bash");
    command.args(["-c", &script]).arg(binary()?);
    Server::launch(namespace, command)
}

/// A socket that a child has as well.
fn inheritable(socket: &impl std::os::fd::AsFd) -> anyhow::Result<RawFd> {
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(socket.as_fd().as_raw_fd())
}

#[test]
fn sockets_of_systemd_are_served_and_left_in_place() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let file = folder.path().join("s");
    let tcp = pair.right.enter(|| TcpListener::bind(("127.0.0.1", 9801)))??;
    let unix = UnixListener::bind(&file)?;
    let sockets = [inheritable(&tcp)?, inheritable(&unix)?];
    let server = activated(&pair.right, &sockets, "")?;
    let url = "http://127.0.0.1:9801/-/ready";
    for place in [&[url][..], &["--unix-socket", text(&file)?, "http://x/-/ready"]] {
        let said = server.curl(place)?;
        assert_eq!(said.status, 200, "{said:?}");
    }
    // Nothing besides.
    assert_eq!(server.curl(&["http://127.0.0.1:9814/-/ready"])?.code, Some(7));
    assert_eq!(server.stop()?.code, Some(0));
    assert!(file.exists());
    // Whoever comes between two daemons waits in the socket for the next.
    let mut asking = pair.right.command("curl");
    asking.args(["-sS", "--max-time", "20", url]);
    let waiting = Process::start(&mut asking)?;
    let server = activated(&pair.right, &sockets, "")?;
    assert_eq!(waiting.wait()?.stdout, "OK\n");
    assert_eq!(server.curl(&[url])?.status, 200);
    let ended = failing(&pair.right, &["--web.systemd-socket"])?;
    assert!(ended.code == Some(1) && ended.stderr.contains("LISTEN_FDS"), "{ended:?}");
    Ok(())
}

#[test]
fn systemd_is_told_of_readiness_reload_and_end() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let path = folder.path().join("notify");
    let notices = UnixDatagram::bind(&path)?;
    notices.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    let heard = || -> anyhow::Result<String> {
        let mut text = [0; 256];
        let length = notices.recv(&mut text)?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    };
    let mut command = wireledger(&pair.right)?;
    command.args(["run", "-i", INTERFACE]).env("NOTIFY_SOCKET", &path);
    let server = Server::launch(&pair.right, command)?;
    assert_eq!(heard()?.trim(), "READY=1");
    server.signal(libc::SIGHUP)?;
    let reloading = heard()?;
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(heard()?.trim(), "READY=1");
    assert_eq!(server.stop()?.code, Some(0));
    assert_eq!(heard()?.trim(), "STOPPING=1");
    assert!(curl(&pair.right, &["http://127.0.0.1:9814/"])?.code == Some(7));
    Ok(())
}

#[test]
fn silent_clients_hold_up_nobody_and_are_sent_away() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::of_server()?);
    let file =
        made.write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}")?;
    let run = ["run", "-i", INTERFACE, LISTEN, "127.0.0.1:9855", "--web.config.file", &file];
    let server = Server::start(&pair.right, &run)?;
    let authority = made.path("ca.pem");
    let ask = || server.curl(&["--cacert", &authority, READY]);
    let connect = || -> anyhow::Result<TcpStream> {
        Ok(pair.right.enter(|| TcpStream::connect(("127.0.0.1", 9855)))??)
    };
    // Half say nothing, half stop within their handshake.
    let mut silent = Vec::new();
    for n in 0..200 {
        let mut stream = connect()?;
        if n % 2 == 0 {
            stream.write_all(&[22, 3, 1])?;
        }
        silent.push(stream);
    }
    let since = Instant::now();
    assert_eq!(ask()?.status, 200);
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    assert_eq!(server.refused("silent")?, 0);
    // As many as there may be: whoever comes now is turned away, and the local socket is not the web's.
    for _ in 200..256 {
        silent.push(connect()?);
    }
    let before = server.refused("connections")?;
    eventually("the house is full", || Ok((ask()?.code != Some(0)).then_some(())))?;
    assert!(server.refused("connections")? > before);
    eventually("the silent are gone", || Ok((server.refused("silent")? == 256).then_some(())))?;
    assert_eq!(ask()?.status, 200);
    drop(silent);
    let ended = server.stop()?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    Ok(())
}
