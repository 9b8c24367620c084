//! Fuzzes `properties::packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::packet::check(data));
