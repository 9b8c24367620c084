//! Fuzzes `properties::ledger`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::ledger::check(data));
