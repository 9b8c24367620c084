//! Reloads: what changes while the daemon runs, what does not, and that no count is lost by either.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use wireledger_tests::{
    bpf::Attached,
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    send::{Share, Tally, send, send_once},
    tools::eventually,
    web::{Certificates, Server},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const URL: &str = "http://127.0.0.1:9801";

/// A file of the watched interfaces and of `more`.
fn text(interfaces: &str, more: &str) -> String {
    format!(
        "interface = [{interfaces}]\nweb.listen-address = ['127.0.0.1:9801']\nweb.enable-lifecycle = true\n{more}\n"
    )
}

fn start<'a>(pair: &'a Pair, made: &Certificates, text: &str) -> anyhow::Result<Server<'a>> {
    let file = made.write("c.toml", text)?;
    Server::start(&pair.right, &["run", "--config.file", &file])
}

/// Reloads with another text, and says what the answer was.
fn reload(server: &Server<'_>, made: &Certificates, text: &str) -> anyhow::Result<(u16, String)> {
    made.replace("c.toml", text)?;
    let said = server.curl(&["-X", "POST", &format!("{URL}/-/reload")])?;
    assert_eq!(server.is_loaded("config")?, said.status == 200, "{said:?}");
    Ok((said.status, said.body))
}

fn interface(server: &Server<'_>, name: &str) -> anyhow::Result<Value> {
    let all = server.json("/api/v1/interfaces")?;
    let all = all["interfaces"].as_array().context("no interfaces")?;
    let found = all.iter().find(|interface| interface["name"] == name);
    found.cloned().with_context(|| format!("{name} is not watched"))
}

/// The ledger once it has seen so many.
fn settled(server: &Server<'_>, packets: u64) -> anyhow::Result<Tally> {
    eventually("the packets are on the ledger", || {
        let ledger = server.ledger()?;
        let seen = ledger.seen(INTERFACE, "ingress");
        ensure!(seen.packets <= packets, "{seen:?}");
        Ok((seen.packets == packets).then(|| {
            ledger.assert_balanced();
            seen
        }))
    })
}

fn frames(count: u16) -> Vec<Vec<u8>> {
    (1..=count).map(|port| Ipv4::default().frame(&udp(port, 53, &[0; 20]))).collect()
}

#[test]
fn traffic_goes_on_being_counted_through_reloads() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    pair.right.run("ip link add side0 type veth peer name side1")?;
    for side in ["side0", "side1"] {
        pair.right.run(&format!("ip link set {side} up"))?;
    }
    let wire = format!("'{INTERFACE}'");
    let server = start(&pair, &made, &text(&wire, ""))?;
    let shares = [0, 1].map(|_| Share { frames: frames(500), rounds: 400 });
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| -> anyhow::Result<Tally> {
        let sending = scope.spawn(|| {
            let sent = send(&pair.left, &pair.right, &shares);
            over.store(true, Relaxed);
            sent
        });
        let (mut reloads, mut last) = (0, 0);
        while !over.load(Relaxed) || reloads < 8 {
            reloads += 1;
            let sides = ["", ", 'side0'", ", 'side*'", ", 'side1'"][reloads % 4];
            let timeouts = ["", "idle-timeout = '1s'", "active-timeout = '1s'"][reloads % 3];
            let (status, body) =
                reload(&server, &made, &text(&format!("{wire}{sides}"), timeouts))?;
            assert_eq!((status, body.as_str()), (200, "OK\n"));
            let (status, body) = reload(&server, &made, &text(&wire, "decap = true"))?;
            assert_eq!(status, 500, "{body}");
            // What moves while it is read is allowed for, and nothing else.
            assert_eq!(server.json("/api/v1/ledger")?["balanced"], true);
            let seen = server.ledger()?.seen(INTERFACE, "ingress").packets;
            assert!(seen >= last, "{seen} after {last}");
            last = seen;
        }
        assert!(reloads >= 8, "{reloads}");
        let sent = sending.join().ok().context("the sender panicked")??;
        Ok(sent.into_iter().sum())
    })?;
    assert_eq!(settled(&server, sent.packets)?, sent);
    assert_eq!(server.stop()?.code, Some(0));
    Ok(())
}

#[test]
fn an_interface_is_let_go_and_taken_up_again_with_its_totals() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let wire = text(&format!("'{INTERFACE}'"), "");
    let without = text("'nosuch*'", "");
    let server = start(&pair, &made, &wire)?;
    let attached = Attached::to(&pair.right, INTERFACE)?;
    assert_ne!(attached, Attached::default());
    let mut counted = Tally::default();
    for round in 1..=3 {
        let sent = send_once(&pair.left, &pair.right, frames(200))?;
        counted = [counted, sent].into_iter().sum();
        assert_eq!(settled(&server, counted.packets)?, counted, "{round}");
        assert_eq!(reload(&server, &made, &without)?.0, 200);
        assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
        let shown = interface(&server, INTERFACE)?;
        assert_eq!((&shown["present"], &shown["ingress"]["mode"]), (&true.into(), &"none".into()));
        assert_eq!(shown["ingress"]["why"], "not named any more");
        // Not counted, and not lost either: nobody asked for it.
        send_once(&pair.left, &pair.right, frames(50))?;
        assert_eq!(settled(&server, counted.packets)?, counted);
        assert_eq!(reload(&server, &made, &wire)?.0, 200);
        assert_ne!(interface(&server, INTERFACE)?["ingress"]["mode"], "none");
    }
    Ok(())
}

#[test]
fn a_reload_is_all_or_nothing() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let wire = format!("'{INTERFACE}'");
    let mut server = start(&pair, &made, &text(&wire, ""))?;
    pair.right.run("ip link add side0 type veth peer name side1")?;
    for (text, said) in [
        (text(&format!("{wire}, 'side0'"), "flow-memory = '1MiB'"), "flow-memory cannot change"),
        (text(&format!("{wire}, 'side0'"), "decap = true"), "decap cannot change"),
        (text("'side0', 'absent0'", ""), "absent0"),
        (text(&wire, "idle-timeout = 'x'"), "c.toml:4: idle-timeout: "),
        (text(&wire, "nonsense = 1"), "c.toml:4: unknown key nonsense"),
        (text("'side0'", "web.config.file = 'absent.yml'"), "absent.yml"),
        (text("'side0'", "web.capture-token-file = 'absent'"), "absent"),
        (text("'side0'", "web.telemetry-path = '/x'"), "web.telemetry-path cannot change"),
        ("interface = 'side0'".to_owned(), "web.listen-address cannot change"),
        (text("", ""), "no interface is named"),
        ("interface = [".to_owned(), "c.toml:1: "),
    ] {
        let (status, body) = reload(&server, &made, &text)?;
        assert!(status == 500 && body.contains(said), "{text}: {body}");
        assert!(interface(&server, "side0").is_err(), "{text}");
        assert_ne!(interface(&server, INTERFACE)?["ingress"]["mode"], "none", "{text}");
        let log = server.log()?;
        assert!(log.contains("the configuration stays as it was") && log.contains(said), "{log}");
    }
    let (status, body) = reload(&server, &made, &text(&format!("{wire}, 'side0'"), ""))?;
    assert_eq!((status, body.as_str()), (200, "OK\n"));
    let status = server.status()?;
    assert!(status["reloads"]["config"]["success_at"].as_f64() > Some(1e9), "{status}");
    Ok(())
}

#[test]
fn log_level_token_and_web_file_change_by_sighup() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let token = |token: &str| made.write("token", token).map(drop);
    token("the-first-token-of-two")?;
    made.write("web.yml", "")?;
    let more = "web.capture-token-file = 'token'\nweb.config.file = 'web.yml'\n";
    let wire = format!("'{INTERFACE}'");
    let mut server = start(&pair, &made, &text(&wire, more))?;
    let bearer = |server: &Server<'_>, token: &str| -> anyhow::Result<u16> {
        let header = format!("Authorization: Bearer {token}");
        Ok(server.curl(&["-H", &header, &format!("{URL}/api/v1/captures")])?.status)
    };
    assert_eq!(bearer(&server, "the-first-token-of-two")?, 200);
    token("the-other-token-of-two")?;
    made.replace("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}")?;
    made.replace("c.toml", &text(&wire, &format!("{more}log.level = 'error'")))?;
    server.signal(libc::SIGHUP)?;
    eventually("the token is another", || {
        Ok((bearer(&server, "the-other-token-of-two")? == 200).then_some(()))
    })?;
    assert_eq!(bearer(&server, "the-first-token-of-two")?, 401);
    assert!(server.curl(&[&format!("{URL}/")])?.head.contains("x-frame-options: deny"));
    let before = server.log()?;
    assert_eq!(reload(&server, &made, &text(&wire, &format!("{more}log.level = 'error'")))?.0, 200);
    assert_eq!(server.log()?, before);
    Ok(())
}

#[test]
fn the_page_that_reloads_is_closed_until_it_is_opened() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let server = Server::start(
        &pair.right,
        &["run", "-i", INTERFACE, "--web.listen-address", "127.0.0.1:9801"],
    )?;
    let page = format!("{URL}/-/reload");
    let said = server.curl(&["-X", "POST", &page])?;
    assert!(said.status == 403 && said.body.contains("--web.enable-lifecycle"), "{said:?}");
    drop(server);
    let server = start(&pair, &made, &text(&format!("'{INTERFACE}'"), ""))?;
    for (method, status) in [("POST", 200), ("PUT", 200), ("GET", 405), ("DELETE", 405)] {
        assert_eq!(server.curl(&["-X", method, &page])?.status, status, "{method}");
    }
    Ok(())
}
