//! Fuzzes `properties::wire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireledger_tests::properties::wire::check(data));
