//! See `milena_fuzz::batch`.
#![no_main]

use milena_fuzz::{batch, sow};

libfuzzer_sys::fuzz_target!(init: sow(batch::seeds), |bytes: &[u8]| batch::check(bytes));
