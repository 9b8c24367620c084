//! Grafana's dashboards: declared here panel by panel, drawn as the JSON in contrib/grafana/dashboards by `cargo xtask gen`.
//!
//! In a selector `HOST` stands for the chosen jobs and instances, `PLACE` for those and the chosen interfaces.

mod cost;
mod draw;
mod interface;
mod overview;
mod panel;
mod scans;
mod talkers;
mod tcp;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use panel::Panel;

const FOLDER: &str = "contrib/grafana/dashboards";

/// One dashboard.
struct Dashboard {
    /// Its file, and behind `wireledger-` its id: links and bookmarks hold it, so it stays.
    name: &'static str,
    title: &'static str,
    description: &'static str,
    rows: Vec<Row>,
}

/// Panels under a heading.
struct Row {
    title: &'static str,
    panels: Vec<Panel>,
}

fn row(title: &'static str, panels: impl Into<Vec<Panel>>) -> Row {
    Row { title, panels: panels.into() }
}

/// Every dashboard: its file in the repository, and its text.
pub(crate) fn all() -> Result<Vec<(PathBuf, String)>> {
    let dashboards = [
        overview::dashboard(),
        interface::dashboard(),
        talkers::dashboard(),
        tcp::dashboard(),
        scans::dashboard(),
        cost::dashboard(),
    ];
    let drawn = dashboards.iter().map(|dashboard| {
        let file = PathBuf::from(FOLDER).join(format!("{}.json", dashboard.name));
        let text = serde_json::to_string_pretty(&draw::dashboard(dashboard))
            .with_context(|| format!("writing {}", file.display()))?;
        Ok((file, text + "\n"))
    });
    drawn.collect()
}
