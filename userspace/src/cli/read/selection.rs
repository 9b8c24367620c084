//! Which packets of a capture are read: an expression of the tcpdump language.

use std::{fs, path::PathBuf};

use anyhow::Context;
use hashbrown::HashMap;

use super::Args;
use crate::{
    capfile::{Record, linktype_name},
    cli::Usage,
    filter::{self, Classic},
};

/// LINKTYPEs that packets are read of: Ethernet, raw IP, Linux cooked captures, BSD loopback.
const READ: [u16; 5] = [1, 101, 113, 276, 0];

/// The command line's files, and the expression behind them.
pub(super) struct Chosen {
    pub(super) files: Vec<PathBuf>,
    pub(super) filter: Filter,
}

/// One expression, compiled for each link type as it comes.
pub(super) struct Filter {
    expression: String,
    /// By LINKTYPE.
    compiled: HashMap<u32, Classic>,
}

/// Takes the arguments apart: the first is a file, and so are all up to the first that names none.
pub(super) fn choose(args: &Args) -> anyhow::Result<Chosen> {
    if let Some(file) = &args.filter_file {
        let expression = fs::read_to_string(file)
            .with_context(|| format!("reading the expression in {}", file.display()))?;
        let filter = Filter::new(&expression).map_err(Usage::of)?;
        return Ok(Chosen { files: args.arguments.clone(), filter });
    }
    let is_file = |path: &&PathBuf| path.as_os_str() == "-" || path.exists();
    let others = args.arguments.iter().skip(1);
    let (files, words) = args.arguments.split_at(1 + others.take_while(is_file).count());
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let expression = words.join(" ");
    let filter = Filter::new(&expression).map_err(|error| match (&error, &words[..]) {
        (filter::Error::Syntax { message, .. }, [word]) => {
            Usage::of(format!("'{word}' is neither a file here nor an expression: {message}"))
        }
        (filter::Error::Syntax { message, .. }, [first, ..]) => Usage::of(format!(
            "'{first}' is no file here, and '{expression}' is no expression: {message}"
        )),
        _ => Usage::of(&error),
    })?;
    Ok(Chosen { files: files.to_vec(), filter })
}

impl Filter {
    /// # Errors
    /// When the expression fits no link type that is read.
    fn new(expression: &str) -> Result<Self, filter::Error> {
        let mut failed = None;
        for link_type in READ {
            match filter::compile(expression, link_type) {
                Ok(_) => {
                    let expression = expression.to_owned();
                    return Ok(Self { expression, compiled: HashMap::new() });
                }
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        Err(failed.expect("at least one link type is read"))
    }

    /// Some packets may be left out.
    pub(super) fn is_one(&self) -> bool {
        !self.expression.trim().is_empty()
    }

    /// Whether it matches what was captured of a packet.
    ///
    /// # Errors
    /// When the expression does not fit the link type.
    pub(super) fn matches(&mut self, link_type: u32, record: &Record<'_>) -> anyhow::Result<bool> {
        let program = match self.compiled.get(&link_type) {
            Some(program) => program,
            None => {
                let program = self.compile(link_type)?;
                self.compiled.entry(link_type).or_insert(program)
            }
        };
        Ok(program.matches(record.bytes, record.length))
    }

    fn compile(&self, link_type: u32) -> anyhow::Result<Classic> {
        let number = u16::try_from(link_type)?;
        filter::compile(&self.expression, number).map_err(|error| {
            let link = linktype_name(link_type);
            Usage::of(format!("{error} (for packets of link type {link})")).into()
        })
    }
}
