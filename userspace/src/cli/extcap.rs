//! Wireshark's external capture interface: the same program under another name in Wireshark's extcap folder.
//!
//! Wireshark asks with options alone, all beginning with `--extcap-`, and reads sentences; packets go into a FIFO as pcapng.
//! (Wireshark's doc/extcap.4 and its Developer's Guide, section 8.2.)

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Parser;
use wireledger_common::abi::link::Link;

use super::{
    Outcome, Usage,
    capture::{Origin, Source, Until, own_plan},
    client, output, run,
};
use crate::{
    capture::{Filters, HEADERS, Request, Way},
    kernel::{links, namespace::Namespace},
    plan::Pattern,
    web::api,
};

/// Before the names of interfaces, so that nobody takes them for Wireshark's own.
const PREFIX: &str = "wireledger:";

/// What every call of Wireshark's has.
const MARK: &str = "--extcap-";

/// Live packets for Wireshark, called by it
#[derive(Debug, Parser)]
#[command(name = "wireledger", disable_help_subcommand = true)]
pub struct Extcap {
    /// List the interfaces
    #[arg(long)]
    extcap_interfaces: bool,
    /// Wireshark's version
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    extcap_version: Option<String>,
    /// Interface the other questions are about
    #[arg(long)]
    extcap_interface: Option<String>,
    /// List its link types
    #[arg(long)]
    extcap_dlts: bool,
    /// List its options
    #[arg(long)]
    extcap_config: bool,
    /// Filter; without --capture, whether it is one
    #[arg(long)]
    extcap_capture_filter: Option<String>,
    /// Capture
    #[arg(long)]
    capture: bool,
    /// Where packets go
    #[arg(long)]
    fifo: Option<PathBuf>,
    #[arg(long, default_value_t = HEADERS)]
    snaplen: u32,
    #[arg(long, value_enum, default_value_t = Way::Inout)]
    direction: Way,
    /// 0 = as they come
    #[arg(long, default_value_t = 0)]
    rate: u32,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    #[command(flatten)]
    daemon: client::Packets,
}

impl Extcap {
    /// Wireshark is asking, not a person: there is no subcommand before the options, and one of them is an extcap's.
    #[must_use]
    pub fn is_asking(arguments: impl Iterator<Item = OsString>) -> bool {
        let mut arguments = arguments.map(|one| one.to_string_lossy().into_owned()).peekable();
        let begins = arguments.peek().is_some_and(|first| first.starts_with("--"));
        begins && arguments.any(|argument| argument.starts_with(MARK))
    }

    /// Answers.
    ///
    /// # Errors
    /// What Wireshark shows to its user.
    pub fn run(self) -> anyhow::Result<Outcome> {
        if self.extcap_interfaces {
            return said(&self.interfaces()?);
        }
        let asked = self.extcap_interface.clone().unwrap_or_default();
        let Some(name) = asked.strip_prefix(PREFIX) else {
            return Err(Usage::of(format!("no interface {asked:?} here")).into());
        };
        if self.extcap_dlts {
            return said(&self.link_types(name)?);
        }
        if self.extcap_config {
            return said(CONFIG);
        }
        if self.capture {
            return self.stream(name);
        }
        match &self.extcap_capture_filter {
            // Silence says that it is one.
            Some(filter) => match Filters::compile(filter) {
                Ok(_) => Ok(Outcome::Done),
                Err(error) => said(&format!("{error}\n")),
            },
            None => Err(Usage::of("nothing was asked").into()),
        }
    }

    fn interfaces(&self) -> anyhow::Result<String> {
        let mut text =
            format!("extcap {{version={}}}{{display=Wireledger}}\n", env!("CARGO_PKG_VERSION"));
        // Wireshark starts no slower for a daemon that is not there, nor fails for it.
        let watched = self.daemon.daemon().ok().flatten().and_then(|connect| {
            let answer = connect.get::<api::Interfaces>("/api/v1/interfaces").ok()?;
            Some(answer.interfaces.into_iter().filter(|one| one.present).map(|one| one.name))
        });
        let names = match watched {
            Some(names) => names.collect(),
            None => all()?.into_iter().filter(|one| one.up).map(|one| one.name).collect(),
        };
        let names: Vec<String> = names;
        for name in names {
            writeln!(text, "interface {{value={PREFIX}{name}}}{{display=Wireledger: {name}}}")?;
        }
        Ok(text)
    }

    fn link_types(&self, name: &str) -> anyhow::Result<String> {
        let interface = all().ok().into_iter().flatten().find(|one| one.name == name);
        let link = interface.and_then(|one| one.link).unwrap_or_default();
        Ok(match link {
            Link::Raw => "dlt {number=101}{name=RAW}{display=Raw IP}\n".to_owned(),
            _ => format!("dlt {{number={ETHERNET}}}{{name=EN10MB}}{{display=Ethernet}}\n"),
        })
    }

    fn request(&self, name: &str) -> Request {
        Request {
            interface: name.to_owned(),
            filter: self.extcap_capture_filter.clone().unwrap_or_default(),
            direction: self.direction,
            snaplen: self.snaplen,
            rate: (self.rate != 0).then_some(self.rate),
            every: self.every,
            holder: format!("Wireshark, pid {}", std::process::id()),
            ..Request::default()
        }
    }

    fn stream(self, name: &str) -> anyhow::Result<Outcome> {
        let path = self.fifo.as_ref().context("where to? --fifo says it")?;
        let fifo = OpenOptions::new().write(true).open(path);
        let mut fifo = fifo.with_context(|| format!("opening {}", path.display()))?;
        let request = self.request(name);
        let interface: Pattern = match name.parse() {
            Ok(interface) => interface,
            Err(why) => bail!("{name}: {why}"),
        };
        let mut plan = own_plan(vec![interface], self.direction);
        plan.allow_payload = self.snaplen == 0 || self.snaplen > HEADERS;
        let origin = Origin { connect: self.daemon.daemon()?, plan };
        let mut source = match Source::open(origin, &request) {
            Ok(source) => source,
            Err(error) => {
                linger(fifo);
                return Err(error);
            }
        };
        let out = fifo.try_clone().context("watching the FIFO")?.into();
        source.follow(Until { duration: None, out: Some(out) }, |_| {})?;
        let mut body = source.body()?;
        let copied = io::copy(&mut body, &mut fifo);
        source.finish()?;
        match copied {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("writing to Wireshark")
            }
            _ => Ok(Outcome::Done),
        }
    }
}

/// Keeps the FIFO open for a moment after this process: Wireshark shows the error of a program that it sees end, and nothing
/// when the packets end first.
fn linger(fifo: File) {
    let mut keep = Command::new("sleep");
    keep.arg("1").stdin(Stdio::null()).stdout(fifo).stderr(Stdio::null());
    if let Err(error) = keep.spawn() {
        tracing::debug!("keeping the FIFO open: {error}");
    }
}

const ETHERNET: u16 = 1;

/// The options that Wireshark offers.
const CONFIG: &str = "\
arg {number=0}{call=--snaplen}{display=Snap length}{type=unsigned}{default=128}\
{tooltip=Bytes of each packet, 0 for as many as there are; a daemon gives more than 128 with --allow-payload}\n\
arg {number=1}{call=--direction}{display=Direction}{type=selector}{tooltip=As the interface sees it}\n\
value {arg=1}{value=inout}{display=Both}{default=true}\n\
value {arg=1}{value=in}{display=Ingress}{default=false}\n\
value {arg=1}{value=out}{display=Egress}{default=false}\n\
arg {number=2}{call=--rate}{display=Packets a second}{type=unsigned}{default=0}\
{tooltip=At most so many; 0 for as they come}\n\
arg {number=3}{call=--every}{display=One of every}{type=unsigned}{default=1}\
{tooltip=One of every so many packets, at a random place among them}\n\
arg {number=4}{call=--connect}{display=Daemon}{type=string}\
{tooltip=http://ADDRESS:PORT or unix:PATH; empty for its default socket, and without that a probe of its own}\n\
arg {number=5}{call=--token-file}{display=Token file}{type=fileselect}{mustexist=true}\
{tooltip=With the token that the daemon wants for captures over HTTP}\n";

fn all() -> anyhow::Result<Vec<links::Interface>> {
    let namespace = Arc::new(Namespace::own());
    Ok(run::runtime()?.block_on(links::list(&namespace))?)
}

fn said(text: &str) -> anyhow::Result<Outcome> {
    output::line(text.trim_end())?;
    Ok(Outcome::Done)
}
