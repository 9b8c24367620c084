//! Fuzzes `properties::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::filter::check(data));
