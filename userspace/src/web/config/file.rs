//! The web's file as it is written: the YAML of Prometheus exporters, every key checked, each value with its line.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_saphyr::{Spanned, options::Options};

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Http,
    pub(super) basic_auth_users: BTreeMap<String, Text>,
    pub(super) rate_limit: RateLimit,
}

/// Certificates and what clients must have.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: Option<Text>,
    pub(super) cert_file: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) key_file: Option<Text>,
    pub(super) client_ca: Option<Text>,
    pub(super) client_ca_file: Option<Text>,
    pub(super) client_auth_type: Option<Text>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<Text>,
    pub(super) max_version: Option<Text>,
    pub(super) cipher_suites: Vec<Text>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Vec<Text>,
}

/// How HTTP is spoken.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) http2: bool,
    pub(super) headers: BTreeMap<String, Text>,
}

impl Default for Http {
    fn default() -> Self {
        Self { http2: true, headers: BTreeMap::new() }
    }
}

/// How many requests.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimit {
    pub(super) interval: Option<Text>,
    pub(super) burst: Option<u32>,
}

/// What is wrong, and in which line, from 1.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: Option<u64>,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn at(text: &Text, key: &str, what: impl std::fmt::Display) -> Self {
        Self { line: Some(text.referenced.line()), what: format!("{key}: {what}") }
    }

    pub(super) fn of(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }
}

/// Reads the file's text; an empty one says nothing.
pub(super) fn parse(text: &str) -> Result<File, Wrong> {
    let read = serde_saphyr::from_str_with_options::<Option<File>>(text, Options::default());
    read.map(Option::unwrap_or_default).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|&line| line > 0);
        // The text in question is left out: it may be a key or a hash.
        let what = error.without_snippet().to_string();
        let what = what.lines().next().unwrap_or_default().to_owned();
        let key = line.and_then(|line| key(text, line));
        match key.filter(|key| !what.contains(key)) {
            Some(key) => Wrong { line, what: format!("{key}: {what}") },
            None => Wrong { line, what },
        }
    })
}

/// The key of a line.
fn key(text: &str, line: u64) -> Option<&str> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let (key, _) = line.split_once(':')?;
    Some(key.trim().trim_start_matches("- ").trim_matches(['"', '\'']))
}

/// A length of time as Go writes it, `1s`, `1m30s`, `250ms`; a bare number is nanoseconds.
pub(super) fn interval(text: &Text) -> Result<Duration, Wrong> {
    if let Ok(nanoseconds) = text.value.parse() {
        return Ok(Duration::from_nanos(nanoseconds));
    }
    humantime::parse_duration(&text.value).map_err(|error| {
        Wrong::at(text, "interval", format!("{error}; write a number and a unit, as in 1s"))
    })
}
