//! The configuration file: TOML whose keys are the long flags of a command, dots being tables.
//!
//! Keys become words of the command line, in front of the user's own, so that clap checks both alike and a new flag needs
//! no second declaration. What the command line or the environment says goes before the file.

mod entries;

use std::{
    error::Error as _,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command, ValueHint,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

use entries::{Entry, Value};

/// Names the file; it cannot name another.
pub const FLAG: &str = "config.file";

/// Words of which fewer letters agree are no suggestion (Jaro-Winkler, 1 = equal).
const LIKE: f64 = 0.8;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "file and line everywhere, and what the text says")]
pub enum Error {
    #[error("reading {}: {source} (--config.file)", file.display())]
    Unread { file: PathBuf, source: io::Error },
    #[error("{}:{line}: {what}", file.display())]
    Syntax { file: PathBuf, line: usize, what: String },
    #[error("{}:{line}: unknown key {key}{}", file.display(), hint(like.as_deref()))]
    Unknown { file: PathBuf, line: usize, key: String, like: Option<String> },
    #[error("{}:{line}: {key}: {why}", file.display())]
    Value { file: PathBuf, line: usize, key: String, why: String },
}

fn hint(like: Option<&str>) -> String {
    like.map(|like| format!("; did you mean {like}?")).unwrap_or_default()
}

/// The file's keys as words for `command`, but for those that `given` has from the command line or the environment.
/// Relative paths are below the file's folder.
///
/// # Errors
/// The first key that `command` does not have, and the first value that it does not take, given or not.
pub fn words(command: &Command, file: &Path, given: &ArgMatches) -> Result<Vec<OsString>, Error> {
    let unread = |source| Error::Unread { file: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(unread)?;
    let flags = Flags { command, file };
    let mut words = Vec::new();
    for entry in entries::of(file, &text, &|table| flags.is_table(table))? {
        let line = entry.line;
        let found = flags.find(&entry).ok_or_else(|| flags.unknown(&entry.key, line))?;
        let said = flags.words(found, &entry)?;
        if !is_given(found, given) {
            words.extend(said);
        }
    }
    Ok(words)
}

fn is_given(arg: &Arg, given: &ArgMatches) -> bool {
    let source = given.value_source(arg.get_id().as_str());
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// The flags of a command, as keys of a file.
struct Flags<'a> {
    command: &'a Command,
    file: &'a Path,
}

impl<'a> Flags<'a> {
    /// Name and flag of each key.
    fn keys(&self) -> impl Iterator<Item = (&'a str, &'a Arg)> {
        let named = self.command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
        named.filter(|(long, _)| !["help", "version", FLAG].contains(long))
    }

    fn find(&self, entry: &Entry) -> Option<&'a Arg> {
        self.keys().find(|(long, _)| *long == entry.key).map(|(_, arg)| arg)
    }

    /// Whether keys are in a table of that name.
    fn is_table(&self, name: &str) -> bool {
        self.keys()
            .any(|(long, _)| long.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    fn unknown(&self, key: &str, line: usize) -> Error {
        let likeness = |(long, _): &(&str, _)| strsim::jaro_winkler(long, key);
        let nearest = self.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let like = nearest.filter(|key| likeness(key) >= LIKE).map(|(long, _)| long.to_owned());
        Error::Unknown { file: self.file.to_owned(), line, key: key.to_owned(), like }
    }

    /// An entry as words of the command line, each tried with clap's own parser.
    fn words(&self, arg: &Arg, entry: &Entry) -> Result<Vec<OsString>, Error> {
        let wrong = |line, why: &str| Error::Value {
            file: self.file.to_owned(),
            line,
            key: entry.key.clone(),
            why: why.to_owned(),
        };
        let takes_values = arg.get_action().takes_values();
        let values = match &entry.value {
            Value::Switch(on) if !takes_values => {
                return Ok(self.switch(&entry.key, *on).into_iter().collect());
            }
            _ if !takes_values => return Err(wrong(entry.line, "write true or false")),
            Value::Switch(_) => return Err(wrong(entry.line, "write a text or a number")),
            Value::Other(what) => {
                return Err(wrong(entry.line, &format!("{what} does not belong here")));
            }
            Value::Many(values) if matches!(arg.get_action(), ArgAction::Append) => values,
            Value::Many(_) => return Err(wrong(entry.line, "write one value, not a list")),
            Value::One(value) => std::slice::from_ref(value),
        };
        let each = values.iter().map(|(line, text)| {
            let word = word(&entry.key, &self.place(arg, text));
            self.check(&word).map_err(|why| wrong(*line, &why))?;
            Ok(word)
        });
        each.collect()
    }

    /// `--KEY`, or `--no-KEY` where there is such a flag.
    fn switch(&self, key: &str, on: bool) -> Option<OsString> {
        let negated = format!("no-{key}");
        if on {
            Some(format!("--{key}").into())
        } else {
            self.keys().any(|(long, _)| long == negated).then(|| format!("--{negated}").into())
        }
    }

    /// Relative paths are below the file's folder.
    fn place(&self, arg: &Arg, text: &str) -> OsString {
        let path = matches!(
            arg.get_value_hint(),
            ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
        );
        match self.file.parent() {
            Some(folder) if path => folder.join(text).into(),
            _ => text.into(),
        }
    }

    /// Whether clap takes the value by itself; what the whole line lacks or contradicts is for the whole line.
    fn check(&self, word: &OsString) -> Result<(), String> {
        let alone = [OsString::from(self.command.get_name()), word.clone()];
        let Err(error) = self.command.clone().try_get_matches_from(alone) else { return Ok(()) };
        match error.kind() {
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => Err(why(&error)),
            _ => Ok(()),
        }
    }
}

fn word(key: &str, value: &OsString) -> OsString {
    let mut word = OsString::from(format!("--{key}="));
    word.push(value);
    word
}

/// What clap has against a value.
fn why(error: &clap::Error) -> String {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => format!("{value:?}: {source}"),
        (None, Some(ContextValue::Strings(valid))) => {
            format!("{value:?} is none of {}", valid.join(", "))
        }
        _ => format!("{value:?} is not allowed"),
    }
}

#[cfg(test)]
mod tests;
