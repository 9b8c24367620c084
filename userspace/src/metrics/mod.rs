//! Every metric family, declared once with where its samples come from: both formats, docs/METRICS.md, the flags
//! `--collector.*` and the golden files derive from the tables of `catalogue`.
//!
//! A scrape is written family by family straight into one buffer, without an allocation per sample. What counts the exporter
//! itself ([`Own`]) is kept by the `prometheus` crate's registry and written by the same encoder.

mod budget;
mod catalogue;
mod collector;
mod document;
mod encode;
mod exposition;
mod format;
mod own;

pub use budget::{fixed_series, talkers_series};
pub use collector::{Collector, Collectors};
pub use document::document;
pub use encode::Kind;
pub use exposition::encode;
pub use format::{Format, wants_gzip};
pub use own::Own;

#[cfg(test)]
mod tests;
