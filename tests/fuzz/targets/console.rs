#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ad_connector::review::fuzzing::run(bytes));
