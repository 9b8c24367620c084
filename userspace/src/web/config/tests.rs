//! Files that are wrong, and files that change.

use std::{fs, path::Path, sync::Arc};

use super::*;

const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuQmVvPqKyYv0pTUnUoVYwYhMlqV0xHPO";

fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    fs::write(&file, text).expect("writing");
    let error = check(&file).expect_err(text).to_string();
    error.replace(&folder.path().display().to_string(), "DIR")
}

fn open(file: &Path) -> Result<Config, Error> {
    Config::open(Some(file), Arc::default())
}

#[test]
fn an_empty_file_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    for text in ["", "# nothing\n", "---\n", "basic_auth_users: {}\n", "rate_limit: {interval: 0}"]
    {
        fs::write(&file, text).expect("writing");
        let config = open(&file).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let loaded = config.refresh();
        assert!(loaded.tls.is_none() && loaded.users.is_empty() && loaded.rate.is_none());
    }
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    for (text, line, said) in [
        ("tls_server_confg: {}", "DIR/web.yml:1: ", "tls_server_confg"),
        ("http_server_config:\n  http3: true", "DIR/web.yml:2: ", "http3"),
        ("http_server_config:\n  http2: maybe", "DIR/web.yml:2: ", "http2"),
        ("basic_auth_users:\n  a: [", "DIR/web.yml:", ""),
        (
            "basic_auth_users:\n  bob: secret",
            "DIR/web.yml:2: ",
            "basic_auth_users: bob has no bcrypt hash",
        ),
        ("basic_auth_users:\n  a: x\n  a: y", "DIR/web.yml:3: ", "uplicate"),
        ("rate_limit:\n  interval: soon", "DIR/web.yml:2: ", "interval: "),
        ("rate_limit:\n  interval: 1s", "DIR/web.yml: ", "rate_limit: without a burst"),
        ("rate_limit:\n  burst: -1", "DIR/web.yml:2: ", "burst"),
        (
            "http_server_config:\n  headers:\n    Server: x",
            "DIR/web.yml:3: ",
            "Server: this header is not",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: no",
            "DIR/web.yml:3: ",
            "X-Frame-Options: ",
        ),
        ("tls_server_config: {}", "DIR/web.yml: ", "cert_file or cert is missing"),
        ("tls_server_config:\n  cert: x", "DIR/web.yml: ", "key_file or key is missing"),
        (
            "tls_server_config:\n  key_file: k\n  cert_file: c",
            "DIR/web.yml:3: ",
            "cert_file: reading DIR/c: No such file",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  cert_file: c",
            "DIR/web.yml:4: ",
            "cert_file: cert is there too",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  min_version: TLS11",
            "DIR/web.yml:4: ",
            "min_version: TLS11 is not offered",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  max_version: SSL3",
            "DIR/web.yml:4: ",
            "max_version: \"SSL3\" is none of",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
            "DIR/web.yml:4: ",
            "cipher_suites: ",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  curve_preferences: [CurveP521]",
            "DIR/web.yml:4: ",
            "curve_preferences: ",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  client_auth_type: Maybe",
            "DIR/web.yml:4: ",
            "client_auth_type: ",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  client_ca: ca",
            "DIR/web.yml:4: ",
            "client_ca: there is no client_auth_type",
        ),
        (
            "tls_server_config:\n  key: k\n  cert: c\n  client_auth_type: RequireAndVerifyClientCert",
            "DIR/web.yml: ",
            "client_ca_file is missing",
        ),
    ] {
        let error = refused(text);
        assert!(error.starts_with(line), "{text}: {error}");
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn a_bad_change_leaves_what_was_and_a_good_one_comes_into_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    fs::write(&file, format!("basic_auth_users: {{ann: {HASH}}}")).expect("writing");
    let config = open(&file).expect("a good file");
    let names = |config: &Config| {
        let loaded = config.refresh();
        let mut names: Vec<_> = loaded.users.keys().cloned().collect();
        names.sort();
        (names.join(" "), config.tally.report().reloads.web.successful)
    };
    assert_eq!(names(&config), ("ann".into(), true));
    fs::write(&file, "basic_auth_users: [").expect("writing");
    assert_eq!(names(&config), ("ann".into(), false));
    // TLS cannot come while the listeners are open.
    fs::write(&file, "tls_server_config: {cert_file: c, key_file: k}").expect("writing");
    assert_eq!(names(&config), ("ann".into(), false));
    fs::write(&file, format!("basic_auth_users: {{bob: {HASH}, cid: {HASH}}}")).expect("writing");
    assert_eq!(names(&config), ("bob cid".into(), true));
    fs::remove_file(&file).expect("removing");
    assert_eq!(names(&config), ("bob cid".into(), false));
}
