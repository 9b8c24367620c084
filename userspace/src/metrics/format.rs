//! Which format and which encoding a client gets: RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3.
//!
//! No client is refused: whoever accepts nothing that there is gets the text format, as Prometheus's own libraries do it.

use std::cmp::Reverse;

/// A format of metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// The text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0, as text.
    OpenMetrics,
}

impl Format {
    /// The header of an answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a client prefers, by its `Accept` headers: the higher quality, then the more specific range, then what stands
    /// first, then the text format.
    #[must_use]
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges: Vec<_> = headers.into_iter().flat_map(elements).collect();
        let rank = |format: Self| {
            // Of the ranges that include it, the most specific one tells its quality.
            let each = ranges.iter().enumerate().filter_map(|(place, range)| {
                Some((format.included(range)?, Reverse(place), range.quality))
            });
            let (specific, place, quality) = each.max()?;
            (quality > 0).then_some((quality, specific, place))
        };
        if rank(Self::OpenMetrics) > rank(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }

    /// How specifically a media range names it; `None` if it does not. `escaping` asks for nothing here, since every name is
    /// written the same under every scheme; other parameters than the version are no reason to refuse.
    fn included(self, range: &Element<'_>) -> Option<u8> {
        let (kind, part, version) = match self {
            Self::Text => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        };
        let (asked_kind, asked_part) = range.value.split_once('/')?;
        let is = |asked: &str, ours: &str| asked.trim().eq_ignore_ascii_case(ours);
        match (is(asked_kind, kind), is(asked_part, part)) {
            (true, true) => match range.parameter("version") {
                None => Some(2),
                Some(asked) => (asked == version).then_some(3),
            },
            (true, false) if asked_part.trim() == "*" => Some(1),
            (false, _) if asked_kind.trim() == "*" && asked_part.trim() == "*" => Some(0),
            _ => None,
        }
    }
}

/// Whether a client prefers gzip to nothing, by its `Accept-Encoding` headers.
#[must_use]
pub fn wants_gzip<'a>(headers: impl IntoIterator<Item = &'a str>) -> bool {
    let codings: Vec<_> = headers.into_iter().flat_map(elements).collect();
    let quality = |names: &[&str]| {
        let named = |coding: &&Element<'_>| {
            names.iter().any(|name| coding.value.eq_ignore_ascii_case(name))
        };
        codings.iter().find(named).map(|coding| coding.quality)
    };
    let gzip = quality(&["gzip", "x-gzip"]).or_else(|| quality(&["*"])).unwrap_or(0);
    gzip > 0 && gzip >= quality(&["identity"]).unwrap_or(0)
}

/// An element of a header's list.
struct Element<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Element<'a> {
    /// `None` for an element that has no value, or a quality that is none.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = split(text, ';');
        let value = parts.next().map(str::trim).filter(|value| !value.is_empty())?;
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        let parameters: Vec<_> =
            pairs.map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))).collect();
        let mut element = Self { value, parameters, quality: 1000 };
        if let Some(text) = element.parameter("q") {
            let quality = text.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?;
            element.quality = (quality * 1000.0).round() as u16;
        }
        Some(element)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }
}

fn elements(header: &str) -> impl Iterator<Item = Element<'_>> {
    split(header, ',').filter_map(Element::read)
}

/// The parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_agreed_on() {
        use Format::{OpenMetrics, Text};
        let table = [
            ("", Text),
            ("*/*", Text),
            ("*/*;q=0.1", Text),
            ("text/plain", Text),
            ("text/*", Text),
            ("text/html", Text),
            ("image/png", Text),
            ("nonsense", Text),
            (";;,,;q=1", Text),
            ("application/json, */*;q=0.1", Text),
            ("text/plain;version=0.0.4", Text),
            ("text/plain;q=0", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;version=1.0.0", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", OpenMetrics),
            ("application/openmetrics-text;version=1.0.0;escaping=values;q=0.6", OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", Text),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/*", OpenMetrics),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=0,*/*", Text),
            ("text/plain;q=0,*/*", OpenMetrics),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.4", OpenMetrics),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", Text),
            ("application/openmetrics-text,text/plain", OpenMetrics),
            ("text/plain,application/openmetrics-text", Text),
            ("text/plain;version=1.0.0;q=0.9,application/openmetrics-text;q=0.1", OpenMetrics),
            ("application/openmetrics-text;q=2,text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=nan", Text),
            ("application/openmetrics-text;q=0.001", OpenMetrics),
            // What a browser sends.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            // What Prometheus 2.42 sends.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // What it sends where native histograms are on.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                 application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // What Prometheus 3 sends.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
        ];
        for (accept, format) in table {
            assert_eq!(Format::accepted([accept]), format, "{accept}");
        }
        assert_eq!(Format::accepted([]), Text);
        let lines = ["text/plain;q=0.5", "application/openmetrics-text"];
        assert_eq!(Format::accepted(lines), OpenMetrics);
    }

    #[test]
    fn gzip_is_for_whoever_prefers_it() {
        let table = [
            ("", false),
            ("gzip", true),
            ("GZip", true),
            ("x-gzip", true),
            ("deflate, gzip;q=0.5, *;q=0", true),
            ("deflate, br", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip;q=0.5, identity;q=0.8", false),
            ("gzip;q=0.8, identity;q=0.5", true),
            ("gzip, identity", true),
            ("identity", false),
            ("gzip;q=7", false),
        ];
        for (accept, gzip) in table {
            assert_eq!(wants_gzip([accept]), gzip, "{accept}");
        }
        assert!(!wants_gzip([]));
    }
}
