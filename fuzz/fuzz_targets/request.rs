//! See `milena_fuzz::request`.
#![no_main]

use milena_fuzz::{request, sow};

libfuzzer_sys::fuzz_target!(init: sow(request::seeds), |bytes: &[u8]| request::check(bytes));
