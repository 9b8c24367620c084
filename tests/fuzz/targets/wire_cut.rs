//! Fuzzes `properties::wire_cut`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::wire_cut::check(data));
