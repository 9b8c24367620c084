//! Which packets of a capture are read: an expression of the tcpdump language.

use std::collections::HashMap;

use crate::{
    capfile::{Record, linktype_name},
    cli::Usage,
    filter::{self, Classic},
};

/// One expression, compiled for each link type as it comes.
pub(super) struct Filter {
    expression: String,
    /// By LINKTYPE.
    compiled: HashMap<u32, Classic>,
}

impl Filter {
    pub(super) fn new(expression: &str) -> Self {
        Self { expression: expression.to_owned(), compiled: HashMap::new() }
    }

    /// Whether it matches what was captured of a packet.
    pub(super) fn matches(&mut self, link_type: u32, record: &Record<'_>) -> anyhow::Result<bool> {
        if self.expression.is_empty() {
            return Ok(true);
        }
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
            Usage::of(format!("{error} (packets of link type {link})")).into()
        })
    }
}
