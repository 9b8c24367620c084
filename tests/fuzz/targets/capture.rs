//! Fuzzes `properties::capture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::capture::check(data));
