//! The web's file, `--web.config.file`: TLS, passwords, headers and a rate limit as other exporters have them, what is
//! refused, and what happens when it changes.

use std::{fs, time::Instant};

use anyhow::Context as _;
use wireledger_tests::{
    bpf::Attached,
    daemon::wireledger,
    netns::{INTERFACE, NetNs, Pair, Setup},
    process::Process,
    tools::eventually,
    web::{Certificates, Said, Server},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const PLAIN: &str = "http://127.0.0.1:9855";
const SECURE: &str = "https://127.0.0.1:9855";
const READY: &str = "https://127.0.0.1:9855/-/ready";
const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

/// An authority `ca`, and the certificate `server` of 127.0.0.1 by it.
fn certificates() -> anyhow::Result<Certificates> {
    Certificates::of_server()
}

fn arguments(file: &str) -> Vec<&str> {
    let listen = ["--web.listen-address", "127.0.0.1:9855"];
    [&["run", "-i", INTERFACE, "--web.config.file", file][..], &listen].concat()
}

/// A daemon with this text as its web's file, in the folder of the certificates.
fn serve<'a>(
    pair: &'a Pair,
    made: &Certificates,
    text: &str,
    more: &[&str],
) -> anyhow::Result<Server<'a>> {
    let file = made.write("web.yml", text)?;
    Server::start(&pair.right, &[&arguments(&file), more].concat())
}

/// curl that trusts the authority.
fn trusting(server: &Server<'_>, made: &Certificates, more: &[&str]) -> anyhow::Result<Said> {
    server.curl(&[&["--cacert", &made.path("ca.pem")], more].concat())
}

fn hash(password: &str, cost: u32) -> anyhow::Result<String> {
    Ok(bcrypt::hash(password, cost)?)
}

#[test]
fn a_bad_file_stops_the_start_and_names_file_line_and_key() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    made.leaf("other", "ca", "DNS:other")?;
    made.write("rubbish.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")?;
    made.write("empty.pem", "")?;
    for (text, line, said) in [
        ("basic_auth_users:\n  ann: [", ":", "web.yml"),
        ("tls_server_config:\n  cert_fil: x", ":2: ", "cert_fil"),
        ("basic_auth_users:\n  ann: secret", ":2: ", "bcrypt"),
        (
            "tls_server_config:\n  cert_file: x\n  key_file: server.key",
            ":2: ",
            "cert_file: reading",
        ),
        (
            "tls_server_config:\n  cert_file: rubbish.pem\n  key_file: server.key",
            ":2: ",
            "cert_file: ",
        ),
        (
            "tls_server_config:\n  cert_file: empty.pem\n  key_file: server.key",
            ":2: ",
            "no certificate",
        ),
        (
            "tls_server_config:\n  cert_file: server.pem\n  key_file: rubbish.pem",
            ":3: ",
            "key_file: ",
        ),
        (
            "tls_server_config:\n  cert_file: server.pem\n  key_file: other.key",
            ":3: ",
            "key_file: ",
        ),
        (
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  min_version: TLS10",
            ":4: ",
            "TLS10",
        ),
        ("http_server_config:\n  headers:\n    Set-Cookie: x", ":3: ", "Set-Cookie"),
    ] {
        let file = made.write("web.yml", text)?;
        let ended = Process::run(wireledger(&pair.right)?.args(arguments(&file)))?;
        assert_eq!(ended.code, Some(1), "{text}: {ended:?}");
        assert!(ended.stderr.contains(&format!("error: {file}{line}")), "{text}: {ended:?}");
        assert!(ended.stderr.contains(said), "{text}: {ended:?}");
        let checked = made.write("c.toml", "interface = 'wl0'\nweb.config.file = 'web.yml'")?;
        let ended = Process::run(wireledger(&pair.right)?.args(["check-config", &checked]))?;
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{text}: {ended:?}");
    }
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn tls_is_spoken_from_1_2_on_and_http_in_both_versions() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let server = serve(&pair, &made, TLS, &[])?;
    for (more, head) in [
        (&["--http1.1"][..], "http/1.1 200"),
        (&["--http2"], "http/2 200"),
        (&["--tls-max", "1.2", "--http1.1"], "http/1.1 200"),
        (&["--tlsv1.3", "--http1.1"], "http/1.1 200"),
    ] {
        let said = trusting(&server, &made, &[more, &[READY]].concat())?;
        assert!(said.head.starts_with(head) && said.body == "OK\n", "{said:?}");
    }
    assert_eq!(server.refused("handshake")?, 0);
    // OpenSSL offers 1.1 only when it is told twice.
    let old = ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", READY];
    let said = trusting(&server, &made, &old)?;
    assert!(said.code == Some(35) && said.status == 0, "{said:?}");
    // The client may be gone before it is counted.
    eventually("a handshake is refused", || Ok((server.refused("handshake")? == 1).then_some(())))?;
    // Who does not trust the authority ends the handshake itself.
    assert_eq!(server.curl(&[READY])?.code, Some(60));

    let said = server.curl(&[&format!("{PLAIN}/metrics")])?;
    let expected = "Client sent an HTTP request to an HTTPS server.\n";
    assert_eq!((said.status, said.body.as_str()), (400, expected), "{said:?}");
    eventually("plain text is refused", || Ok((server.refused("plaintext")? == 1).then_some(())))?;
    // The local socket is none of the web's.
    assert_eq!(server.local(&["http://x/-/ready"])?.status, 200);
    assert_eq!(server.stop()?.code, Some(0));
    Ok(())
}

#[test]
fn versions_and_ciphers_are_as_the_file_says() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let cipher = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let file = |more: &str| TLS.replace("server.key}", &format!("server.key, {more}}}"));
    let server = serve(&pair, &made, &file("min_version: TLS13"), &[])?;
    let status = |more: &[&str]| trusting(&server, &made, &[more, &[READY]].concat());
    assert_eq!(status(&["--tls-max", "1.2"])?.code, Some(35));
    assert_eq!(status(&[])?.status, 200);
    for (text, offered, refused) in [
        (file("max_version: TLS12"), &["--tls-max", "1.2"][..], &["--tlsv1.3"][..]),
        (
            file(&format!("max_version: TLS12, cipher_suites: [{cipher}]")),
            &["--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"],
            &["--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        ),
        (file("curve_preferences: [CurveP384]"), &["--curves", "P-384"], &["--curves", "X25519"]),
        (
            "http_server_config: {http2: false}\n".to_owned() + TLS,
            &["--http2"],
            &["--tls-max", "1.1"],
        ),
    ] {
        made.replace("web.yml", &text)?;
        let said = status(offered)?;
        assert_eq!(said.status, 200, "{text}: {said:?}");
        assert_eq!(said.head.starts_with("http/1.1"), text.contains("http2"), "{text}: {said:?}");
        assert_eq!(status(refused)?.code, Some(35), "{text}");
    }
    Ok(())
}

#[test]
fn passwords_open_and_unknown_users_cost_what_wrong_passwords_do() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let token = "a-token-of-some-length";
    let file = made.write("token", token)?;
    let users =
        format!("basic_auth_users: {{ann: {}, bob: {}}}", hash("right", 10)?, hash("", 10)?);
    let server = serve(&pair, &made, &users, &["--web.capture-token-file", &file])?;
    let ask =
        |more: &[&str], path: &str| server.curl(&[more, &[&format!("{PLAIN}{path}")]].concat());
    // What else the machine does only adds to it.
    let mut quickest = [u128::MAX; 2];
    for (sent, kind) in [("ann:wrong", 0), ("nobody:right", 1), ("bob:x", 0), ("ann:", 0), (":", 1)]
    {
        let since = Instant::now();
        let said = ask(&["-u", sent], "/metrics")?;
        quickest[kind] = quickest[kind].min(since.elapsed().as_millis());
        assert_eq!((said.status, said.body.as_str()), (401, "Unauthorized\n"), "{sent}");
        assert!(said.head.contains("\r\nwww-authenticate: basic"), "{said:?}");
    }
    assert!(quickest[1] * 2 > quickest[0], "milliseconds of known and unknown users: {quickest:?}");
    assert_eq!(ask(&[], "/metrics")?.status, 401);
    assert_eq!(ask(&[], "/-/ready")?.status, 401);
    assert_eq!(server.refused("unauthorized")?, 7);
    for _ in 0..3 {
        assert_eq!(ask(&["-u", "ann:right"], "/metrics")?.status, 200);
        assert_eq!(ask(&["-u", "bob:"], "/-/ready")?.status, 200);
    }
    // A request has room for one proof: the token is enough where it is what is asked for, and nowhere else.
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(ask(&["-H", &bearer], "/api/v1/captures")?.status, 200);
    assert_eq!(ask(&["-H", &bearer], "/metrics")?.status, 401);
    assert_eq!(ask(&["-u", "ann:right"], "/api/v1/captures")?.status, 401);
    assert_eq!(ask(&["-H", "Authorization: Bearer x"], "/api/v1/captures")?.status, 401);
    // Who may use the local socket is known by its file.
    assert_eq!(server.local(&["http://x/metrics"])?.status, 200);
    Ok(())
}

#[test]
fn client_certificates_are_asked_for_as_the_file_says() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    made.authority("stranger")?;
    made.leaf(
        "good",
        "ca",
        "DNS:scraper.example,IP:10.0.0.1,email:ops@example.com,URI:spiffe://x/y",
    )?;
    made.leaf("unnamed", "ca", "DNS:other.example")?;
    made.leaf("foreign", "stranger", "DNS:scraper.example")?;
    let clients =
        |more: &str| TLS.replace("server.key}", &format!("server.key, client_auth_type: {more}}}"));
    let server = serve(&pair, &made, &clients("RequestClientCert"), &[])?;
    let is_in = |name: Option<&str>| -> anyhow::Result<bool> {
        let (cert, key) = match name {
            Some(name) => (made.path(&format!("{name}.pem")), made.path(&format!("{name}.key"))),
            None => Default::default(),
        };
        let shown = ["--cert", &cert, "--key", &key];
        let shown = if name.is_some() { &shown[..] } else { &[] };
        Ok(trusting(&server, &made, &[shown, &[READY]].concat())?.status == 200)
    };
    let ca = "client_ca_file: ca.pem";
    let named =
        |san: &str| format!("RequireAndVerifyClientCert, {ca}, client_allowed_sans: ['{san}']");
    // None, one of the authority's, one of another's, one of the authority's with another name.
    for (text, expected) in [
        ("NoClientCert".to_owned(), [true, true, true, true]),
        ("RequestClientCert".to_owned(), [true, true, true, true]),
        ("RequireAnyClientCert".to_owned(), [false, true, true, true]),
        (format!("VerifyClientCertIfGiven, {ca}"), [true, true, false, true]),
        (format!("RequireAndVerifyClientCert, {ca}"), [false, true, false, true]),
        (named("scraper.example"), [false, true, false, false]),
        (named("10.0.0.1"), [false, true, false, false]),
        (named("ops@example.com"), [false, true, false, false]),
        (named("spiffe://x/y"), [false, true, false, false]),
        (named("example"), [false, false, false, false]),
    ] {
        made.replace("web.yml", &clients(&text))?;
        let seen = [None, Some("good"), Some("foreign"), Some("unnamed")].map(is_in);
        let seen = seen.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        assert_eq!(seen, expected, "{text}");
        assert!(server.is_loaded("web")?, "{text}");
    }
    Ok(())
}

#[test]
fn a_change_comes_into_force_at_the_next_connection_and_a_bad_one_never() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let with = |name: &str, password: &str| {
        Ok::<_, anyhow::Error>(format!(
            "{TLS}basic_auth_users: {{{name}: {}}}\n",
            hash(password, 4)?
        ))
    };
    let mut server = serve(&pair, &made, &with("ann", "one")?, &[])?;
    let ask = |server: &Server<'_>, user: &str| trusting(server, &made, &["-u", user, READY]);
    assert_eq!(ask(&server, "ann:one")?.status, 200);
    made.replace("web.yml", &with("bob", "two")?)?;
    assert_eq!(ask(&server, "ann:one")?.status, 401);
    assert_eq!(ask(&server, "bob:two")?.status, 200);

    // Another authority's certificate, of the same name: the key alone does not fit, so both wait for each other.
    made.authority("next")?;
    made.leaf("successor", "next", "IP:127.0.0.1")?;
    let (cert, key) = (made.path("server.pem"), made.path("server.key"));
    fs::rename(made.path("successor.key"), key)?;
    assert_eq!(ask(&server, "bob:two")?.status, 200);
    assert!(!server.is_loaded("web")?);
    fs::rename(made.path("successor.pem"), cert)?;
    assert_eq!(ask(&server, "bob:two")?.code, Some(60));
    let next = made.path("next.pem");
    assert_eq!(server.curl(&["--cacert", &next, "-u", "bob:two", READY])?.status, 200);
    assert!(server.is_loaded("web")?);

    for bad in
        ["basic_auth_users: [", "unknown: 1", "", "tls_server_config: {cert_file: server.pem}"]
    {
        made.replace("web.yml", bad)?;
        let said = server.curl(&["--cacert", &next, "-u", "bob:two", READY])?;
        assert_eq!(said.status, 200, "{bad}: {said:?}");
        assert!(!server.is_loaded("web")?, "{bad}");
    }
    let log = server.log()?;
    assert!(log.contains("the web configuration stays as it was"), "{log}");
    assert!(log.contains("web.yml:1: "), "{log}");
    Ok(())
}

#[test]
fn headers_are_added_to_every_answer() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let text = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: ''\n    \
        Strict-Transport-Security: max-age=1\n    Content-Security-Policy: default-src 'self'\n    \
        X-Content-Type-Options: nosniff\n";
    let server = serve(&pair, &made, text, &[])?;
    for path in ["/", "/metrics", "/nowhere"] {
        let head = server.curl(&[&format!("{PLAIN}{path}")])?.head;
        for header in [
            "x-frame-options: deny",
            "strict-transport-security: max-age=1",
            "content-security-policy: default-src 'self'",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(!head.contains("x-xss-protection"), "{head}");
    }
    Ok(())
}

#[test]
fn beyond_the_rate_limit_is_429() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let server = serve(&pair, &made, "rate_limit: {interval: 1h, burst: 3}", &[])?;
    let ask = || Ok::<_, anyhow::Error>(server.curl(&[&format!("{PLAIN}/-/ready")])?.status);
    let seen = [ask()?, ask()?, ask()?, ask()?, ask()?];
    assert_eq!(seen, [200, 200, 200, 429, 429]);
    assert_eq!(server.refused("rate_limit")?, 2);
    assert_eq!(server.local(&["http://x/-/ready"])?.status, 200);
    made.replace("web.yml", "")?;
    assert_eq!(ask()?, 200);
    Ok(())
}

#[test]
fn the_command_line_says_that_it_speaks_no_tls() -> Result {
    let namespace = NetNs::new("https")?;
    let ended = Process::run(wireledger(&namespace)?.args(["ledger", "--connect", SECURE]))?;
    assert!(
        ended.code == Some(1) && ended.stderr.contains("https is not supported yet"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("unix:PATH"), "{ended:?}");
    Ok(())
}

#[test]
fn a_folder_of_its_own_is_where_the_files_are() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, certificates()?);
    let below = made.folder().join("below");
    fs::create_dir(&below)?;
    let inline = |name: &str| -> anyhow::Result<String> {
        let text = fs::read_to_string(made.path(name)).context("reading a certificate")?;
        Ok(text.lines().map(|line| format!("    {line}\n")).collect())
    };
    let text = format!(
        "tls_server_config:\n  cert: |\n{}  key_file: ../server.key\n",
        inline("server.pem")?
    );
    fs::write(below.join("web.yml"), text)?;
    let file = below.join("web.yml").display().to_string();
    let server = Server::start(&pair.right, &arguments(&file))?;
    assert_eq!(trusting(&server, &made, &[READY])?.status, 200);
    Ok(())
}
