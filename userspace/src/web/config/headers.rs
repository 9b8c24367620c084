//! The headers that a configuration may add to every answer: five, as in other exporters.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::file::{Text, Wrong};

/// Name, and which values it may have; any if empty.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["", "nosniff"]),
    ("X-Frame-Options", &["", "deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// The headers of a file; without a value they are not sent.
pub(super) fn checked(headers: &BTreeMap<String, Text>) -> Result<HeaderMap, Wrong> {
    let mut checked = HeaderMap::new();
    for (name, text) in headers {
        let wrong = |what: String| Wrong::at(text, name, what);
        let Some((_, values)) = ALLOWED.iter().find(|(allowed, _)| allowed == name) else {
            let names = ALLOWED.map(|(name, _)| name).join(", ");
            return Err(wrong(format!("this header is not for the configuration; {names} are")));
        };
        let value = text.value.as_str();
        if !values.is_empty() && !values.contains(&value) {
            let values = values.iter().filter(|value| !value.is_empty());
            let values = values.copied().collect::<Vec<_>>().join(" or ");
            return Err(wrong(format!("{value:?} is not {values}")));
        }
        if value.is_empty() {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let value = HeaderValue::from_str(value).map_err(|e| wrong(e.to_string()))?;
        checked.insert(name, value);
    }
    Ok(checked)
}
