//! What counts the exporter itself: the process, and the answers to scrapes. Kept by the `prometheus` crate's registry.

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector as _,
    process_collector::ProcessCollector,
    proto::{Counter, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    Format, Kind,
    encode::{Head, Label, Samples},
};

/// Statuses of answers to scrapes.
const CODES: [&str; 4] = ["200", "400", "500", "503"];

/// Upper bounds of the sizes of answers, bytes.
const SIZES: [f64; 8] =
    [1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Series of `process_*`.
const PROCESS: usize = 7;

/// Series of all of it at the most: the histogram has a last bucket, a sum and a count on top.
pub(super) const SERIES: usize = PROCESS + CODES.len() + 1 + SIZES.len() + 3;

/// The exporter's own metrics.
#[derive(Debug)]
pub struct Own {
    registry: Registry,
    process: ProcessCollector,
    /// Answers by status.
    requests: IntCounterVec,
    /// Requests that hold a place.
    pub in_flight: IntGauge,
    /// Bodies as they were sent, bytes.
    pub sizes: Histogram,
}

impl Own {
    /// Everything at 0.
    ///
    /// # Errors
    /// When the registry refuses a name, which its tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let of = |name: &str, help: &str| Opts::new(name, help).const_label("handler", "/metrics");
        let requests = IntCounterVec::new(
            of("wireledger_http_requests_total", "Answers by status, this one not yet among them."),
            &["code"],
        )?;
        for code in CODES {
            requests.with_label_values(&[code]);
        }
        let in_flight = IntGauge::with_opts(of(
            "wireledger_http_requests_in_flight",
            "Requests that are answered now, this one among them, until their last byte is on its way.",
        ))?;
        let sizes =
            of("wireledger_http_response_size_bytes", "Bodies of answers as they were sent.");
        let sizes =
            Histogram::with_opts(HistogramOpts { common_opts: sizes, buckets: SIZES.to_vec() })?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(sizes.clone()))?;
        Ok(Self { registry, process: ProcessCollector::for_self(), requests, in_flight, sizes })
    }

    /// Counts an answer; a status that is not to be expected counts as 500.
    pub fn answered(&self, code: &str) {
        let code = if CODES.contains(&code) { code } else { "500" };
        self.requests.with_label_values(&[code]).inc();
    }

    pub(super) fn http(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// Empty when /proc does not tell.
    pub(super) fn process(&self) -> Vec<MetricFamily> {
        let mut families = self.process.collect();
        let time = families.iter_mut().find(|family| family.name() == "process_cpu_seconds_total");
        if let (Some(family), Some(seconds)) = (time, cpu_seconds()) {
            // The collector's own are whole seconds, of which an idle daemon takes one in minutes.
            let mut counter = Counter::default();
            counter.set_value(seconds);
            let mut metric = Metric::from_label(Vec::new());
            metric.set_counter(counter);
            family.set_metric(vec![metric]);
        }
        families
    }
}

/// CPU time of this process: getrusage(2).
fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(microseconds as f64 / 1e6)
}

/// The type of a registered family; the registry has no summaries and nothing untyped.
pub(super) fn kind(family: &MetricFamily) -> Kind {
    match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => Kind::Gauge,
    }
}

/// Writes what a registry gathered; returns how many series.
pub(super) fn write(families: &[MetricFamily], format: Format, out: &mut Vec<u8>) -> usize {
    families.iter().map(|family| one(family, format, out)).sum()
}

fn one(family: &MetricFamily, format: Format, out: &mut Vec<u8>) -> usize {
    let kind = kind(family);
    let head = Head { name: family.name(), kind, help: family.help() };
    let first = family.get_metric().first().map(Metric::get_label).unwrap_or_default();
    let names: Vec<_> = first.iter().map(LabelPair::name).collect();
    let mut samples = Samples::new(Some((out, format)), head, &names);
    for metric in family.get_metric() {
        let labels: Vec<_> =
            metric.get_label().iter().map(|pair| Label::Text(pair.value())).collect();
        match kind {
            Kind::Counter => samples.add(&labels, metric.get_counter().get_value()),
            Kind::Gauge | Kind::Info => samples.add(&labels, metric.get_gauge().get_value()),
            Kind::Histogram => {
                let histogram = metric.get_histogram();
                let buckets = histogram.get_bucket().iter();
                let buckets =
                    buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
                let count = histogram.get_sample_count();
                samples.histogram(&labels, buckets, count, histogram.get_sample_sum());
            }
        }
    }
    samples.series()
}
