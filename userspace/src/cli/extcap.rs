//! Wireshark's external capture interface: the same program under another name in Wireshark's extcap folder.
//!
//! Wireshark asks with options alone, all beginning with `--extcap-`, and reads sentences; packets go into a FIFO as pcapng.
//! (Wireshark's doc/extcap.4 and its Developer's Guide, section 8.2.)

use std::{fmt::Write as _, fs::OpenOptions, io, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use clap::Parser;
use wireledger_common::abi::link::Link;

use super::{
    Outcome, Usage,
    capture::{Origin, Source, own_plan},
    client::Connect,
    output, run,
};
use crate::{
    capture::{HEADERS, Request, Way},
    filter,
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
    /// Empty = the default socket
    #[arg(long, default_value = "", env = "WIRELEDGER_CONNECT")]
    connect: String,
}

impl Extcap {
    /// Wireshark is asking, not a person.
    #[must_use]
    pub fn is_asking(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
        arguments.any(|argument| argument.to_string_lossy().starts_with(MARK))
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
            Some(filter) => match filter::compile(filter, ETHERNET) {
                Ok(_) => Ok(Outcome::Done),
                Err(error) => said(&format!("{error}\n")),
            },
            None => Err(Usage::of("nothing was asked").into()),
        }
    }

    fn connect(&self) -> anyhow::Result<Option<Connect>> {
        if self.connect.is_empty() {
            return Connect::default_socket();
        }
        Ok(Some(Connect::new(self.connect.clone(), None)))
    }

    fn interfaces(&self) -> anyhow::Result<String> {
        let mut text =
            format!("extcap {{version={}}}{{display=Wireledger}}\n", env!("CARGO_PKG_VERSION"));
        // Wireshark starts no slower for a daemon that is not there, nor fails for it.
        let watched = self.connect().ok().flatten().and_then(|connect| {
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

    fn stream(self, name: &str) -> anyhow::Result<Outcome> {
        let fifo = self.fifo.as_ref().context("where to? --fifo says it")?;
        let mut fifo = OpenOptions::new()
            .write(true)
            .open(fifo)
            .with_context(|| format!("opening {}", fifo.display()))?;
        let request = Request {
            interface: name.to_owned(),
            filter: self.extcap_capture_filter.clone().unwrap_or_default(),
            direction: self.direction,
            snaplen: self.snaplen,
            rate: (self.rate != 0).then_some(self.rate),
            every: self.every,
            holder: format!("Wireshark, pid {}", std::process::id()),
            ..Request::default()
        };
        let interface: Pattern = match name.parse() {
            Ok(interface) => interface,
            Err(why) => bail!("{name}: {why}"),
        };
        let mut plan = own_plan(vec![interface], self.direction);
        plan.allow_payload = self.snaplen > HEADERS;
        let origin = Origin { connect: self.connect()?, plan };
        let mut source = Source::open(origin, &request)?;
        source.follow_signals(None, || {})?;
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

const ETHERNET: u16 = 1;

/// The options that Wireshark offers.
const CONFIG: &str = "\
arg {number=0}{call=--snaplen}{display=Snap length}{type=unsigned}{default=128}\
{tooltip=Bytes of each packet; a daemon gives more than 128 with --allow-payload}\n\
arg {number=1}{call=--direction}{display=Direction}{type=selector}{tooltip=As the interface sees it}\n\
value {arg=1}{value=inout}{display=Both}{default=true}\n\
value {arg=1}{value=in}{display=Ingress}{default=false}\n\
value {arg=1}{value=out}{display=Egress}{default=false}\n\
arg {number=2}{call=--rate}{display=Packets a second}{type=unsigned}{default=0}\
{tooltip=At most so many; 0 for as they come}\n\
arg {number=3}{call=--every}{display=One of every}{type=unsigned}{default=1}\
{tooltip=One of every so many packets, at a random place among them}\n";

fn all() -> anyhow::Result<Vec<links::Interface>> {
    let namespace = Arc::new(Namespace::own());
    Ok(run::runtime()?.block_on(links::list(&namespace))?)
}

fn said(text: &str) -> anyhow::Result<Outcome> {
    output::line(text.trim_end())?;
    Ok(Outcome::Done)
}
