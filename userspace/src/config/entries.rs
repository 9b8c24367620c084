//! A TOML document as keys with values and lines, tables' names joined by dots.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Error;

/// One key of a file.
pub(super) struct Entry {
    /// With the names of the tables it is in.
    pub(super) key: String,
    /// Its line, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
    start: usize,
}

/// What it says.
pub(super) enum Value {
    /// true or false.
    Switch(bool),
    /// A text or a number, and its line.
    One((usize, String)),
    /// A list of those.
    Many(Vec<(usize, String)>),
    /// What no flag takes.
    Other(&'static str),
}

/// The keys of `text`, in its order. `is_table` says which tables there may be.
pub(super) fn of(
    file: &Path,
    text: &str,
    is_table: &dyn Fn(&str) -> bool,
) -> Result<Vec<Entry>, Error> {
    let parsed = DeTable::parse(text).map_err(|error| Error::Syntax {
        file: file.to_owned(),
        line: line(text, error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    collect(text, "", parsed.get_ref(), is_table, &mut entries);
    entries.sort_by_key(|entry| entry.start);
    Ok(entries)
}

fn collect(
    text: &str,
    within: &str,
    table: &DeTable<'_>,
    is_table: &dyn Fn(&str) -> bool,
    entries: &mut Vec<Entry>,
) {
    for (name, value) in table {
        let start = name.span().start;
        let name = name.get_ref();
        let key = if within.is_empty() { name.to_string() } else { format!("{within}.{name}") };
        match value.get_ref() {
            DeValue::Table(inner) if is_table(&key) => {
                collect(text, &key, inner, is_table, entries);
            }
            _ => {
                let line = line(text, start);
                entries.push(Entry { key, line, value: read(text, value), start });
            }
        }
    }
}

fn read(text: &str, value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Array(all) => {
            let each = all.iter().map(|one| scalar(text, one));
            each.collect::<Option<_>>().map_or(Value::Other("this list"), Value::Many)
        }
        DeValue::Table(_) => Value::Other("a table"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {
            scalar(text, value).map_or(Value::Other("this number"), Value::One)
        }
    }
}

fn scalar(text: &str, value: &Spanned<DeValue<'_>>) -> Option<(usize, String)> {
    let said = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string()
        }
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => return None,
    };
    Some((line(text, value.span().start), said))
}

/// The line of a place, from 1.
fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}
