//! See `milena_fuzz::checkpoints`.
#![no_main]

use milena_fuzz::{checkpoints, sow};

libfuzzer_sys::fuzz_target!(init: sow(checkpoints::seeds), |bytes: &[u8]| checkpoints::check(bytes));
