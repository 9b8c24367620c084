//! A Prometheus server of the test's own, asked over its HTTP API; and promtool.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    daemon::get,
    netns::NetNs,
    process::{Ended, Process},
    tools::{eventually, find, is_ci},
};

/// Where the server listens, on the loopback of its namespace.
const ADDRESS: &str = "127.0.0.1:9890";

/// A program of Prometheus; `None`, and says so, where it may be missing.
///
/// # Errors
/// When it is missing and may not be.
pub fn program(name: &str) -> Result<Option<PathBuf>> {
    let variable = format!("WIRELEDGER_{}", name.to_uppercase());
    let found = find(name, &variable);
    ensure!(found.is_some() || !is_ci(), "{name} is not there; {variable} may name it");
    if found.is_none() {
        eprintln!("skipped: {name} is not there; {variable} may name it");
    }
    Ok(found)
}

/// Runs promtool in `folder`; an error when it is not content.
///
/// # Errors
/// With what it said.
pub fn promtool(promtool: &Path, folder: &Path, arguments: &[&str]) -> Result<Ended> {
    let ended = Process::run(Command::new(promtool).args(arguments).current_dir(folder))?;
    ensure!(ended.code == Some(0), "promtool {arguments:?}: {}{}", ended.stdout, ended.stderr);
    Ok(ended)
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server<'a> {
    namespace: &'a NetNs,
    process: Process,
}

/// A sample: seconds since 1970, and the value.
pub type Sample = (f64, f64);

impl<'a> Server<'a> {
    /// Starts `prometheus` with the configuration file `config`, its data in `folder`, and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn start(
        prometheus: &Path,
        namespace: &'a NetNs,
        config: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let mut command = namespace.command(prometheus.to_str().context("a path in UTF-8")?);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={ADDRESS}"));
        let mut server = Self { namespace, process: Process::start(&mut command)? };
        eventually("prometheus is ready", || {
            if !server.process.is_running()? {
                bail!("prometheus ended: {:?}", server.process.said()?);
            }
            Ok(get(namespace, &format!("http://{ADDRESS}/-/ready")).ok())
        })?;
        Ok(server)
    }

    fn text(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let url = format!("http://{ADDRESS}{path}");
        let text = self.namespace.enter(|| {
            let mut request = ureq::get(url).config().http_status_as_error(false).build();
            for (key, value) in query {
                request = request.query(key, value);
            }
            request.call()?.body_mut().read_to_string()
        })?;
        text.with_context(|| format!("getting {path}"))
    }

    /// The `data` of an answer of its API.
    ///
    /// # Errors
    /// When the answer is an error; the error has its text.
    pub fn api(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let text = self.text(&format!("/api/v1/{path}"), query)?;
        let mut answer: Value =
            serde_json::from_str(&text).with_context(|| format!("reading {path}: {text:.500}"))?;
        ensure!(answer["status"] == "success", "{path} {query:?}: {}", answer["error"]);
        Ok(answer["data"].take())
    }

    /// What an expression gives now.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        list(self.api("query", &[("query", expression)])?)
    }

    /// What an expression gives over the last `seconds` up to `end`, second by second.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn range(&self, expression: &str, end: f64, seconds: f64) -> Result<Vec<Value>> {
        let (start, end) = ((end - seconds).to_string(), end.to_string());
        let query = [("query", expression), ("start", &start), ("end", &end), ("step", "1")];
        list(self.api("query_range", &query)?)
    }

    /// The stored samples of the one series that `selector` names, of the last five minutes.
    ///
    /// # Errors
    /// When there is more than one.
    pub fn samples(&self, selector: &str) -> Result<Vec<Sample>> {
        let found = self.query(&format!("{selector}[5m]"))?;
        ensure!(found.len() <= 1, "{selector} names {} series", found.len());
        found.iter().flat_map(values).map(sample).collect()
    }

    /// What `function` makes of a series between two of its samples, both included. With its range ending on samples, the
    /// functions of counters extrapolate nothing.
    ///
    /// # Errors
    /// When the server gives no single number.
    pub fn between(&self, function: &str, selector: &str, from: f64, to: f64) -> Result<f64> {
        let milliseconds = ((to - from) * 1000.0).round();
        let expression = format!("{function}({selector}[{milliseconds}ms])");
        let time = format!("{to:.3}");
        let found = list(self.api("query", &[("query", &expression), ("time", &time)])?)?;
        ensure!(found.len() == 1, "{expression} at {time} gives {found:?}");
        Ok(sample(&found[0]["value"])?.1)
    }
}

/// Series, or a scalar as one.
fn list(mut data: Value) -> Result<Vec<Value>> {
    let scalar = data["resultType"] == "scalar";
    match data["result"].take() {
        value if scalar => Ok(vec![serde_json::json!({ "metric": {}, "value": value })]),
        Value::Array(series) => Ok(series),
        other => bail!("a result that is no list: {other}"),
    }
}

/// The samples of one series of an answer, whichever kind.
pub fn values(series: &Value) -> impl Iterator<Item = &Value> {
    let many = series["values"].as_array().into_iter().flatten();
    many.chain(series.get("value"))
}

/// Reads a sample.
///
/// # Errors
/// When it is none.
pub fn sample(value: &Value) -> Result<Sample> {
    let time = value[0].as_f64().context("a sample without a time")?;
    let number = value[1].as_str().context("a sample without a value")?;
    Ok((time, number.parse().with_context(|| format!("reading {number}"))?))
}
