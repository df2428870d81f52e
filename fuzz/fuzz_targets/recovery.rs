//! See `milena_fuzz::recovery`.
#![no_main]

use milena_fuzz::{recovery, sow};

libfuzzer_sys::fuzz_target!(init: sow(recovery::seeds), |bytes: &[u8]| recovery::check(bytes));
