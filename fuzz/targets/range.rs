//! The fuzzer for one check: `millpond_fuzz::range` says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millpond_fuzz::range::check(input));
