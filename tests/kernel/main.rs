//! The probe and its collector in a real kernel.

mod attach;
mod balance;
mod capture;
mod capture_beside_tcpdump;
mod capture_budget;
mod capture_churn;
mod capture_loss;
mod churn;
mod evidence;
mod feed;
mod floods;
mod offload;
mod parity;
mod programs;
mod scan_live;
mod scan_silence;
mod scan_support;
mod scans;
mod support;
mod talkers;
mod tcp_health;
mod tunnels;
