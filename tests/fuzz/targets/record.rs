//! Fuzzes `properties::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::record::check(data));
