//! The program as its users have it: its command line, its web, what it reads and writes.

mod access;
mod bad_capture;
mod bad_input;
mod capture;
mod config;
mod contrib;
mod demo;
mod exposition;
mod extcap;
mod listeners;
mod monitoring;
mod prometheus;
mod read;
mod reload;
mod scans;
mod web_config;
