//! Wireledger: every packet on the ledger, or a named counter says why not.
//!
//! The data's path: `main` → `collector` → `kernel` → `flows` → `report` → `metrics`, `web`. ARCHITECTURE.md says more.

pub mod capfile;
pub mod capture;
pub mod cli;
pub mod collector;
pub mod config;
pub mod demo;
pub mod dissect;
pub mod feed;
pub mod filter;
pub mod flows;
pub mod kernel;
pub mod logging;
pub mod metrics;
pub mod naming;
pub mod plan;
pub mod replay;
pub mod report;
pub mod scan;
pub mod web;
