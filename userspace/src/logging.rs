//! The program's log: one line an event on stderr, logfmt or JSON, the probe's own included.

use std::{fmt, sync::OnceLock};

use tracing::{Event, Level, Subscriber, field::Visit};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::FormatTime},
    registry::LookupSpan,
};

/// Puts another filter in the place of the log's own; set with the log.
static REPLACE: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// What to log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[value(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the levels every log has")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How to write it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum LogFormat {
    /// `ts=… level=info msg="…" key=value`
    Logfmt,
    /// One object a line.
    Json,
}

impl LogLevel {
    /// The probe's own diagnostics: a line for every packet that is unread or overflows. Off, and free, below debug.
    #[must_use]
    pub const fn of_probe(self) -> u8 {
        match self {
            Self::Error | Self::Warn | Self::Info => 0,
            Self::Debug => 4,
            Self::Trace => 5,
        }
    }

    const fn directive(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Sets the log up for the process; a second call changes nothing. `RUST_LOG` goes before `level`.
pub fn init(level: LogLevel, format: LogFormat) {
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(std::io::stderr);
    // Fails only when a log is set up already. The builder bridges the `log` crate, through which the probe's lines come.
    match format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            if builder.try_init().is_ok() {
                let _ = REPLACE.set(Box::new(move |filter| drop(handle.reload(filter))));
            }
        }
        LogFormat::Logfmt => {
            let builder = builder.event_format(Logfmt).with_filter_reloading();
            let handle = builder.reload_handle();
            if builder.try_init().is_ok() {
                let _ = REPLACE.set(Box::new(move |filter| drop(handle.reload(filter))));
            }
        }
    }
}

/// Changes what the log has from here on, the probe's own lines excepted: their level is a constant of the loaded program.
pub fn set_level(level: LogLevel) {
    if let Some(replace) = REPLACE.get() {
        replace(filter(level));
    }
}

/// `RUST_LOG`, else everything of a level.
fn filter(level: LogLevel) -> EnvFilter {
    // Libraries say at debug what helps their authors.
    let quiet = format!(
        "{},aya=info,aya_obj=info,rtnetlink=info,netlink_proto=info,hyper=info,h2=info,rustls=info",
        level.directive()
    );
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet))
}

/// One event as logfmt.
struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        use tracing_log::NormalizeEvent;
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "ts=")?;
        tracing_subscriber::fmt::time::SystemTime.format_time(&mut writer)?;
        write!(writer, " level={level}")?;
        let mut fields = Fields { writer: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        let name = field.name();
        if self.result.is_err() || value.is_empty() || name.starts_with("log.") {
            return;
        }
        let name = if name == "message" { "msg" } else { name };
        let plain = value.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=');
        self.result = if plain {
            write!(self.writer, " {name}={value}")
        } else {
            write!(self.writer, " {name}={value:?}")
        };
    }
}
