//! See `milena_fuzz::frame`.
#![no_main]

use milena_fuzz::{frame, sow};

libfuzzer_sys::fuzz_target!(init: sow(frame::seeds), |bytes: &[u8]| frame::check(bytes));
