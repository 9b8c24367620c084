//! Writes samples into a buffer, in the text format 0.0.4 or in OpenMetrics 1.0, without an allocation per sample.

use std::{io::Write as _, net::IpAddr};

use super::Format;
use crate::report::Tunnel;

/// Type of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Cumulative buckets.
    Histogram,
    /// Always 1, its labels tell; its name ends in `_info`. A gauge where the format has no such type.
    Info,
}

impl Kind {
    /// As a format writes it.
    #[must_use]
    pub const fn label(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Counter, _) => "counter",
            (Self::Gauge, _) | (Self::Info, Format::Text) => "gauge",
            (Self::Histogram, _) => "histogram",
            (Self::Info, Format::OpenMetrics) => "info",
        }
    }

    /// What the names of its samples have behind the family's name in OpenMetrics; the text format counts it to the name.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The unit that a family's name ends in, as OpenMetrics wants it said.
pub(super) fn unit(base: &str) -> Option<&'static str> {
    ["bytes", "seconds", "ratio"]
        .into_iter()
        .find(|&unit| base.strip_suffix(unit).is_some_and(|before| before.ends_with('_')))
}

/// The value of a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Label<'a> {
    Text(&'a str),
    Number(u64),
    Address(IpAddr),
    /// VLAN ids, outermost first: `100.7`.
    Vlans(&'a [u16]),
    /// `vxlan 42`.
    Tunnel(&'a Tunnel),
    /// Upper bound of a bucket.
    Bound(f64, Format),
}

impl<'a> From<&'a str> for Label<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Label<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<u16> for Label<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<IpAddr> for Label<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl<'a> From<&'a Tunnel> for Label<'a> {
    fn from(tunnel: &'a Tunnel) -> Self {
        Self::Tunnel(tunnel)
    }
}

/// Nothing is the empty value, which is the same as no label.
impl<'a, T: Into<Label<'a>>> From<Option<T>> for Label<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Text(""), T::into)
    }
}

impl Label<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => escape(out, text, true),
            Self::Number(number) => whole(out, number),
            Self::Address(IpAddr::V4(address)) => joined(out, &address.octets().map(u16::from)),
            // Writing into memory cannot fail.
            Self::Address(address) => drop(write!(out, "{address}")),
            Self::Vlans(ids) => joined(out, ids),
            Self::Tunnel(Tunnel { kind, number }) => {
                escape(out, kind, true);
                out.push(b' ');
                whole(out, (*number).into());
            }
            Self::Bound(bound, format) => {
                let from = out.len();
                real(out, bound);
                // A canonical number of OpenMetrics shows that it is no integer.
                let plain = out[from..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
                if format == Format::OpenMetrics && plain {
                    out.extend_from_slice(b".0");
                }
            }
        }
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Written digit by digit, also beyond 2⁵³.
    Whole(u64),
    /// Written with as few digits as tell it from every other.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Number {
    fn from(truth: bool) -> Self {
        Self::Whole(truth.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// Where the samples of one family go.
pub(super) struct Samples<'a> {
    /// None: they are only counted.
    out: Option<(&'a mut Vec<u8>, Format)>,
    head: Head<'a>,
    labels: &'a [&'a str],
    /// The head is written before the first sample: a family without samples is absent.
    begun: bool,
    series: usize,
}

/// What stands above a family's samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) help: &'a str,
}

impl<'a> Samples<'a> {
    pub(super) const fn new(
        out: Option<(&'a mut Vec<u8>, Format)>,
        head: Head<'a>,
        labels: &'a [&'a str],
    ) -> Self {
        Self { out, head, labels, begun: false, series: 0 }
    }

    /// How many there were.
    pub(super) const fn series(&self) -> usize {
        self.series
    }

    /// The family's one sample.
    pub(super) fn single(&mut self, value: impl Into<Number>) {
        self.add::<&str>(&[], value);
    }

    /// A sample by the values of the family's labels, in their order.
    pub(super) fn add<'l, L: Copy + Into<Label<'l>>>(
        &mut self,
        labels: &[L],
        value: impl Into<Number>,
    ) {
        self.line("", labels, None, value.into());
    }

    /// A histogram by its upper bounds, with the samples up to each.
    pub(super) fn histogram<'l, L: Copy + Into<Label<'l>>>(
        &mut self,
        labels: &[L],
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: impl Into<Number>,
    ) {
        for (bound, up_to) in buckets {
            self.line("_bucket", labels, Some(bound), up_to.into());
        }
        self.line("_bucket", labels, Some(f64::INFINITY), count.into());
        self.line("_sum", labels, None, sum.into());
        self.line("_count", labels, None, count.into());
    }

    fn line<'l, L: Copy + Into<Label<'l>>>(
        &mut self,
        suffix: &str,
        labels: &[L],
        bound: Option<f64>,
        value: Number,
    ) {
        debug_assert_eq!(self.labels.len(), labels.len(), "{}", self.head.name);
        self.series += 1;
        let Some((out, format)) = &mut self.out else { return };
        if !self.begun {
            self.begun = true;
            self.head.write(out, *format);
        }
        out.extend_from_slice(self.head.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        let mut before = b'{';
        let mut pair = |name: &str, value: Label<'_>| {
            out.push(before);
            before = b',';
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            value.write(out);
            out.push(b'"');
        };
        for (name, &label) in self.labels.iter().zip(labels) {
            pair(name, label.into());
        }
        if let Some(bound) = bound {
            pair("le", Label::Bound(bound, *format));
        }
        out.extend_from_slice(if before == b',' { b"} " } else { b" " });
        match value {
            Number::Whole(number) => whole(out, number),
            Number::Real(number) => real(out, number),
        }
        out.push(b'\n');
    }
}

impl Head<'_> {
    fn write(self, out: &mut Vec<u8>, format: Format) {
        let Self { name, kind, help } = self;
        let mut say = |what: &str, base: &str| {
            for part in ["# ", what, " ", base, " "] {
                out.extend_from_slice(part.as_bytes());
            }
            match what {
                "HELP" => escape(out, help, format == Format::OpenMetrics),
                "TYPE" => out.extend_from_slice(kind.label(format).as_bytes()),
                _ => out.extend_from_slice(unit(base).unwrap_or_default().as_bytes()),
            }
            out.push(b'\n');
        };
        match format {
            Format::Text => {
                say("HELP", name);
                say("TYPE", name);
            }
            Format::OpenMetrics => {
                let base = name.strip_suffix(kind.suffix()).unwrap_or(name);
                say("TYPE", base);
                if unit(base).is_some() {
                    say("UNIT", base);
                }
                say("HELP", base);
            }
        }
    }
}

/// Backslashes and line feeds, and quotes where those end the text.
fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| matches!(byte, b'\\' | b'\n') || quotes && *byte == b'"';
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => br"\\",
            b'\n' => br"\n",
            _ => br#"\""#,
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn whole(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn real(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    // Writing into memory cannot fail.
    drop(match number {
        _ if number.is_nan() => out.write_all(b"NaN"),
        f64::INFINITY => out.write_all(b"+Inf"),
        f64::NEG_INFINITY => out.write_all(b"-Inf"),
        _ if size != 0.0 && !(1e-6..1e17).contains(&size) => write!(out, "{number:e}"),
        _ => write!(out, "{number}"),
    });
}

fn joined(out: &mut Vec<u8>, numbers: &[u16]) {
    for (place, &number) in numbers.iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        whole(out, number.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, head: Head<'_>, add: impl FnOnce(&mut Samples<'_>)) -> String {
        let mut out = Vec::new();
        add(&mut Samples::new(Some((&mut out, format)), head, &["a"]));
        String::from_utf8(out).expect("UTF-8")
    }

    fn value(label: Label<'_>) -> String {
        let mut out = Vec::new();
        label.write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn each_format_escapes_in_its_own_way() {
        let head = Head { name: "x", kind: Kind::Gauge, help: "a \"b\" \\ c\nd" };
        let add = |samples: &mut Samples<'_>| samples.add(&["q\" b\\ l\n é"], 1_u64);
        let sample = "x{a=\"q\\\" b\\\\ l\\n é\"} 1\n";
        assert_eq!(
            written(Format::Text, head, add),
            format!("# HELP x a \"b\" \\\\ c\\nd\n# TYPE x gauge\n{sample}")
        );
        assert_eq!(
            written(Format::OpenMetrics, head, add),
            format!("# TYPE x gauge\n# HELP x a \\\"b\\\" \\\\ c\\nd\n{sample}")
        );
    }

    #[test]
    fn openmetrics_names_a_family_without_its_suffix_and_with_its_unit() {
        let add = |samples: &mut Samples<'_>| samples.add(&["b"], 1_u64);
        let head = Head { name: "x_bytes_total", kind: Kind::Counter, help: "H." };
        assert_eq!(
            written(Format::OpenMetrics, head, add),
            "# TYPE x_bytes counter\n# UNIT x_bytes bytes\n# HELP x_bytes H.\nx_bytes_total{a=\"b\"} 1\n"
        );
        let head = Head { name: "x_info", kind: Kind::Info, help: "H." };
        assert_eq!(
            written(Format::OpenMetrics, head, add),
            "# TYPE x info\n# HELP x H.\nx_info{a=\"b\"} 1\n"
        );
        assert_eq!(
            written(Format::Text, head, add),
            "# HELP x_info H.\n# TYPE x_info gauge\nx_info{a=\"b\"} 1\n"
        );
    }

    #[test]
    fn a_histogram_ends_in_its_count() {
        let head = Head { name: "x", kind: Kind::Histogram, help: "H." };
        let add = |samples: &mut Samples<'_>| {
            samples.histogram(&["b"], [(0.25, 1), (64.0, 2)], 3, 1.5);
            assert_eq!(samples.series(), 5);
        };
        let lines = |bounds: [&str; 2]| {
            let [first, second] = bounds;
            format!(
                "x_bucket{{a=\"b\",le=\"{first}\"}} 1\nx_bucket{{a=\"b\",le=\"{second}\"}} 2\n\
                 x_bucket{{a=\"b\",le=\"+Inf\"}} 3\nx_sum{{a=\"b\"}} 1.5\nx_count{{a=\"b\"}} 3\n"
            )
        };
        assert!(written(Format::Text, head, add).ends_with(&lines(["0.25", "64"])));
        assert!(written(Format::OpenMetrics, head, add).ends_with(&lines(["0.25", "64.0"])));
    }

    #[test]
    fn whole_numbers_are_exact_and_others_the_shortest() {
        let text = |number: f64| {
            let mut out = Vec::new();
            real(&mut out, number);
            String::from_utf8(out).expect("ASCII")
        };
        let mut out = Vec::new();
        whole(&mut out, u64::MAX);
        assert_eq!(out, b"18446744073709551615");
        for (number, expected) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1_763_733_600.123, "1763733600.123"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    #[test]
    fn labels_are_written_as_people_read_them() {
        let tunnel = Tunnel { kind: "vxlan".to_owned(), number: 42 };
        for (label, expected) in [
            (Label::from("text"), "text"),
            (443_u16.into(), "443"),
            (None::<u16>.into(), ""),
            (IpAddr::from([192, 0, 2, 255]).into(), "192.0.2.255"),
            ("2001:db8::1".parse::<IpAddr>().expect("an address").into(), "2001:db8::1"),
            (Label::Vlans(&[100, 7]), "100.7"),
            (Label::Vlans(&[]), ""),
            (Some(&tunnel).into(), "vxlan 42"),
        ] {
            assert_eq!(value(label), expected);
        }
    }

    #[test]
    fn a_family_without_samples_is_absent() {
        let head = Head { name: "x", kind: Kind::Gauge, help: "H." };
        assert_eq!(written(Format::Text, head, |_| {}), "");
    }
}
