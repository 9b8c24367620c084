//! What a panel shows: queries, a unit, words; and the shapes that most queries have.

/// Grafana's names of units.
pub(super) mod unit {
    /// Packets a second.
    pub(crate) const PACKETS: &str = "pps";
    /// Bits a second.
    pub(crate) const BITS: &str = "bps";
    /// Anything else a second.
    pub(crate) const EVENTS: &str = "cps";
    /// Bytes, in powers of 1024.
    pub(crate) const MEMORY: &str = "bytes";
    /// Bytes, in powers of 1000.
    pub(crate) const BYTES: &str = "decbytes";
    /// 0 to 1.
    pub(crate) const SHARE: &str = "percentunit";
    pub(crate) const SECONDS: &str = "s";
    pub(crate) const COUNT: &str = "short";
    /// 0 or 1.
    pub(crate) const YES: &str = "bool_yes_no";
}

/// Labels of one direction of an interface, and what a legend makes of them.
pub(super) const PLACE: (&str, &str) =
    ("instance, interface, direction", "{{instance}} {{interface}} {{direction}}");
/// Labels of one daemon.
pub(super) const HOST: (&str, &str) = ("instance", "{{instance}}");

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Kind {
    /// Lines over time.
    Lines,
    /// Areas on top of each other, over time.
    Areas,
    /// A histogram's buckets over time.
    Heat,
    /// One number.
    Number,
    /// A row for each series, one moment.
    Table,
}

/// A colour from a value on; the first has no value.
pub(super) type Step = (Option<f64>, &'static str);

pub(super) struct Panel {
    pub(super) kind: Kind,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    /// Expression and legend.
    pub(super) queries: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
    /// In Grafana's grid, which is 24 wide.
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Panel {
    fn new(
        kind: Kind,
        title: &'static str,
        unit: &'static str,
        description: &'static str,
        (width, height): (u32, u32),
    ) -> Self {
        let steps = vec![(None, "green")];
        Self { kind, title, unit, description, queries: Vec::new(), steps, width, height }
    }

    /// Adds a query.
    pub(super) fn ask(mut self, expression: impl Into<String>, legend: &str) -> Self {
        self.queries.push((expression.into(), legend.to_owned()));
        self
    }

    /// Yellow from `attention` on, red from `alarm` on.
    pub(super) fn steps(mut self, attention: f64, alarm: f64) -> Self {
        self.steps = vec![(None, "green"), (Some(attention), "yellow"), (Some(alarm), "red")];
        self
    }

    /// Red from the smallest value above 0 that can be told.
    pub(super) fn zero_is_good(mut self) -> Self {
        self.steps = vec![(None, "green"), (Some(1e-9), "red")];
        self
    }

    /// Red below 1.
    pub(super) fn one_is_good(mut self) -> Self {
        self.steps = vec![(None, "red"), (Some(1.0), "green")];
        self
    }

    pub(super) fn wide(mut self) -> Self {
        self.width = 24;
        self
    }
}

pub(super) fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Lines, title, unit, description, (12, 8))
}

pub(super) fn areas(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Areas, title, unit, description, (12, 8))
}

pub(super) fn heat(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Heat, title, unit, description, (12, 8))
}

pub(super) fn number(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Number, title, unit, description, (4, 4))
}

pub(super) fn table(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Table, title, unit, description, (12, 10))
}

/// What counters grow by in a second, summed by labels.
pub(super) fn rate(by: &str, selector: &str) -> String {
    format!("sum by ({by}) (rate({selector}[$__rate_interval]))")
}

/// One sum of rates by another.
pub(super) fn ratio(by: &str, part: &str, whole: &str) -> String {
    format!("{} / {}", rate(by, part), rate(by, whole))
}

/// A quantile of what a histogram took in.
pub(super) fn quantile(quantile: f64, by: &str, buckets: &str) -> String {
    let buckets = rate(&format!("{by}, le"), buckets);
    format!("histogram_quantile({quantile}, {buckets})")
}

/// The most, over the time that is shown.
pub(super) fn most(lines: u32, by: &str, selector: &str) -> String {
    format!("topk({lines}, sum by ({by}) (increase({selector}[$__range])))")
}
