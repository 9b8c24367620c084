//! Tables for people, tab-separated lines for pipes, numbers for both.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Writes a table: aligned and headed on a terminal, tab-separated with a header line in a pipe.
pub(super) fn table(
    head: &[&str],
    numbers_from: usize,
    rows: impl Iterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut out = stdout();
    if !out.get_ref().is_terminal() {
        writeln!(out, "{}", head.join("\t"))?;
        for row in rows {
            writeln!(out, "{}", row.join("\t"))?;
        }
        return out.flush();
    }
    writeln!(out, "{}", aligned(head, numbers_from, rows))?;
    out.flush()
}

/// The aligned form.
pub(super) fn aligned(
    head: &[&str],
    numbers_from: usize,
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// One JSON document and a line end.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// One JSON document in a line.
pub(super) fn json_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// One line.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Standard output, which by itself would write every line with a system call of its own.
fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}
