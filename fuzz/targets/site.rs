//! The fuzzer for one check: `millpond_fuzz::site` says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millpond_fuzz::site::check(input));
