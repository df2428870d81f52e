//! See `milena_fuzz::metadata`.
#![no_main]

use milena_fuzz::{metadata, sow};

libfuzzer_sys::fuzz_target!(init: sow(metadata::seeds), |bytes: &[u8]| metadata::check(bytes));
