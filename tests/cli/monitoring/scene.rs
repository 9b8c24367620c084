//! A daemon behind TLS and a password, with its files, and the shipped Prometheus configuration made to scrape it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;
use wireledger_tests::{
    answers::Metrics,
    contrib,
    daemon::{PORT, wireledger},
    netns::{INTERFACE, NetNs, output},
    process::Process,
    tools::eventually,
};

const USER: &str = "prometheus";
const PASSWORD: &str = "a password for the tests";
/// The same by bcrypt, at a cost of 5.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuWgD2KnKcEy/RhBhUIMdTpwOG.TPmp..";

/// The shipped files that a server reads.
const SHIPPED: [&str; 4] =
    ["alerts.yml", "recording.yml", "prometheus.example.yml", "targets/wireledger.yml"];
/// In the example, of scrapes and of rules.
const INTERVAL: &str = "15s";

pub(super) struct Scene<'a> {
    namespace: &'a NetNs,
    folder: TempDir,
    daemon: Option<Process>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(namespace: &'a NetNs) -> Result<Self> {
        let scene = Self { namespace, folder: tempfile::tempdir()?, daemon: None };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=wireledger"]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.arg("-keyout").arg(scene.file("key.pem"));
        output(openssl.arg("-out").arg(scene.file("certificate.pem")))?;
        let web = format!(
            "tls_server_config: {{cert_file: certificate.pem, key_file: key.pem}}\n\
             basic_auth_users: {{{USER}: {HASH}}}\n"
        );
        fs::write(scene.file("web.yml"), web)?;
        scene.configure("idle-timeout = \"2s\"")?;
        Ok(scene)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The daemon's configuration file with one more line.
    fn configure(&self, line: &str) -> Result<()> {
        let text = format!(
            "interface = [\"{INTERFACE}\"]\nsample-every = 10\nevidence-dir = \"evidence\"\n{line}\n"
        );
        fs::write(self.file("wireledger.toml"), text).context("writing the configuration")
    }

    /// Where the daemon listens, as Prometheus labels its series.
    pub(super) fn instance(&self) -> String {
        format!("127.0.0.1:{PORT}")
    }

    /// Starts the daemon and waits until it is ready.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut run = wireledger(self.namespace)?;
        run.arg("run").arg("--config.file").arg(self.file("wireledger.toml"));
        run.arg("--web.config.file").arg(self.file("web.yml"));
        run.arg("--socket").arg(self.file("wireledger.sock"));
        run.args(["--web.listen-address", &self.instance()]);
        let mut daemon = Process::start(&mut run)?;
        eventually("the daemon is ready", || {
            if !daemon.is_running()? {
                bail!("the daemon ended: {:?}", daemon.said()?);
            }
            Ok(self.get("/-/ready").ok())
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Stops it in order.
    pub(super) fn stop(&mut self) -> Result<()> {
        let daemon = self.daemon.take().context("no daemon runs")?;
        daemon.signal(libc::SIGTERM)?;
        let ended = daemon.wait()?;
        ensure!(ended.code == Some(0), "{ended:?}");
        Ok(())
    }

    /// Over TLS with the password.
    fn get(&self, path: &str) -> Result<String> {
        let mut curl = self.namespace.command("curl");
        curl.args(["-sS", "--fail", "--max-time", "10", "--user", &format!("{USER}:{PASSWORD}")]);
        curl.arg("--cacert").arg(self.file("certificate.pem"));
        output(curl.arg(format!("https://{}{path}", self.instance())))
    }

    /// The value of a series in the daemon's own answer.
    pub(super) fn value(&self, series: &str) -> Result<f64> {
        let [value] = self.values([series])?;
        Ok(value)
    }

    /// The values of several series in one answer, which is what they can be compared in.
    fn values<const SERIES: usize>(&self, all: [&str; SERIES]) -> Result<[f64; SERIES]> {
        let text = self.get("/metrics")?;
        let mut values = [0.0; SERIES];
        for (series, value) in all.iter().zip(&mut values) {
            let (name, matchers) = series.split_once('{').unwrap_or((series, ""));
            let matchers = matchers.trim_end_matches('}').split(',').filter(|one| !one.is_empty());
            let labels: Vec<_> = matchers
                .filter_map(|one| one.split_once('='))
                .map(|(label, value)| (label, value.trim_matches('"')))
                .collect();
            // Labels of other families may hold what the reader does not take.
            let family: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
            *value = Metrics::read(&family.join("\n"))?.sum(name, &labels)?;
        }
        Ok(values)
    }

    /// Has the daemon read its configuration with `line` in it, and waits until it says that it was taken, or not.
    pub(super) fn reload(&mut self, line: &str, taken: bool) -> Result<()> {
        const SUCCESSFUL: &str = "wireledger_config_last_reload_successful";
        const SINCE: &str = "wireledger_config_last_reload_success_timestamp_seconds";
        let before = self.value(SINCE)?;
        self.configure(line)?;
        self.daemon.as_ref().context("no daemon runs")?.signal(libc::SIGHUP)?;
        eventually(&format!("a reload with {line}"), || {
            let [successful, since] = self.values([SUCCESSFUL, SINCE])?;
            let done = if taken { since > before } else { successful == 0.0 };
            Ok(done.then_some((successful, since)))
        })
        .map(|(successful, since)| {
            assert_eq!(successful, f64::from(u8::from(taken)));
            assert_eq!(since > before, taken);
        })
    }

    /// The shipped files as they are, but for the interval and the target; and a folder for the server's data.
    pub(super) fn monitoring(&self) -> Result<(PathBuf, PathBuf)> {
        let folder = self.file("monitoring");
        fs::create_dir_all(folder.join("targets"))?;
        for file in SHIPPED {
            let text = contrib::read(&format!("contrib/prometheus/{file}"))?;
            fs::write(folder.join(file), text)?;
        }
        let config = folder.join("prometheus.example.yml");
        quicken(&config)?;
        fs::copy(self.file("certificate.pem"), folder.join("wireledger.ca.pem"))?;
        fs::write(folder.join("wireledger.password"), PASSWORD)?;
        let target = format!("- targets: ['{}']\n", self.instance());
        fs::write(folder.join("targets/wireledger.yml"), target)?;
        Ok((config, folder))
    }
}

fn quicken(config: &Path) -> Result<()> {
    let text = fs::read_to_string(config)?;
    assert_eq!(text.matches(INTERVAL).count(), 2, "intervals of scrapes and rules");
    fs::write(config, text.replace(INTERVAL, "1s")).context("writing the configuration")
}
