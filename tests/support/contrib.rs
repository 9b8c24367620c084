//! What contrib/ holds for Prometheus and Grafana, taken apart as far as the tests judge it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}

/// A file of the repository.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}

/// A dashboard.
#[derive(Debug)]
pub struct Dashboard {
    /// Its file's name.
    pub file: String,
    /// What Grafana reads.
    pub json: Value,
}

/// Every dashboard, by name.
///
/// # Errors
/// When one cannot be read, or is no JSON.
pub fn dashboards() -> Result<Vec<Dashboard>> {
    let folder = root().join("contrib/grafana/dashboards");
    let mut files = fs::read_dir(&folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let read = |path: PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
        let json = serde_json::from_str(&text).with_context(|| format!("parsing {file}"))?;
        Ok(Dashboard { file, json })
    };
    files.into_iter().map(read).collect()
}

/// One query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    /// Dashboard and panel.
    pub at: String,
    /// PromQL with Grafana's variables.
    pub expression: String,
    /// Of one moment, not of a range.
    pub instant: bool,
    /// The legend's template.
    pub legend: String,
}

impl Dashboard {
    /// Its panels but for the headings of rows.
    pub fn panels(&self) -> impl Iterator<Item = &Value> {
        let all = self.json["panels"].as_array().into_iter().flatten();
        all.filter(|panel| panel["type"] != "row")
    }

    /// The queries of its panels.
    ///
    /// # Errors
    /// When one lacks its expression.
    pub fn queries(&self) -> Result<Vec<Query>> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            let at = format!("{}: {}", self.file, panel["title"].as_str().unwrap_or_default());
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = |key: &str| target[key].as_str().map(str::to_owned);
                queries.push(Query {
                    expression: text("expr").with_context(|| format!("{at} has no expr"))?,
                    instant: target["instant"] == true,
                    legend: text("legendFormat").unwrap_or_default(),
                    at: at.clone(),
                });
            }
        }
        Ok(queries)
    }

    /// Selector and label of each variable that is a list of a label's values: `label_values(SELECTOR, LABEL)`.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let all = self.json["templating"]["list"].as_array().into_iter().flatten();
        let queries = all.filter_map(|variable| variable["query"]["query"].as_str());
        let parts = queries.filter_map(|query| {
            let inside = query.strip_prefix("label_values(")?.strip_suffix(')')?;
            inside.rsplit_once(", ")
        });
        parts.map(|(selector, label)| (selector.to_owned(), label.to_owned())).collect()
    }
}

/// `name{matchers}` in an expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// The metric.
    pub name: String,
    /// The labels that the matchers name.
    pub labels: Vec<String>,
    /// As it stands in the expression, without the range.
    pub text: String,
    /// What stands before it, up to the bracket or operator that it belongs to.
    pub function: String,
}

/// The selectors of an expression: names that begin as the project's do, and names with matchers. Names of recording rules
/// have colons and are left out.
#[must_use]
pub fn selectors(expression: &str) -> Vec<Selector> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(begin) = expression[at..].find(is_name).map(|offset| at + offset) {
        let rest = &expression[begin..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let after = &rest[name.len()..];
        let matchers = if after.starts_with('{') { &after[..closing(after)] } else { "" };
        let ours = name.starts_with("wireledger_") || !matchers.is_empty();
        if ours && !name.contains(':') {
            found.push(Selector {
                name: name.to_owned(),
                labels: labels(matchers),
                text: format!("{name}{matchers}"),
                function: function(&expression[..begin]),
            });
        }
        at = begin + name.len() + matchers.len();
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The word before the bracket that ends `before`.
fn function(before: &str) -> String {
    let Some(before) = before.strip_suffix('(') else { return String::new() };
    let begin = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
    before[begin..].to_owned()
}

/// Length of `{…}` at the start of `text`; braces in quotes do not count.
fn closing(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '}' if !quoted => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn labels(matchers: &str) -> Vec<String> {
    let (mut outside, mut quoted) = (String::new(), false);
    for c in matchers.trim_matches(['{', '}']).chars() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted {
            outside.push(c);
        }
    }
    let each = outside.split(',').map(|matcher| matcher.trim_matches([' ', '=', '!', '~']));
    each.filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

/// The labels in an expression's `by (…)` and `on (…)`.
#[must_use]
pub fn grouped(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for keyword in ["by (", "on ("] {
        for part in expression.split(keyword).skip(1) {
            let list = part.split(')').next().unwrap_or_default();
            labels.extend(list.split(',').map(|label| label.trim().to_owned()));
        }
    }
    labels
}
