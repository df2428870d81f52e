//! What the fuzz targets check, each a function of bytes, and their first inputs.
//!
//! The checks are those of the hostile tests of `protocol` and `log`: a test runs them for seconds
//! on seeded mutations, a target here for minutes on what coverage finds. An input that fails
//! becomes a test of the package whose fault it is.

#[path = "../../log/tests/hostile/batch.rs"]
pub mod batch;
#[path = "../../log/tests/hostile/checkpoints.rs"]
pub mod checkpoints;
#[path = "../../protocol/tests/hostile/frame.rs"]
pub mod frame;
#[path = "../../protocol/tests/hostile/metadata.rs"]
pub mod metadata;
#[path = "../../protocol/tests/hostile/mutate.rs"]
pub mod mutate;
#[path = "../../log/tests/hostile/recovery.rs"]
pub mod recovery;
#[path = "../../protocol/tests/hostile/request.rs"]
pub mod request;

use std::path::Path;

/// Writes the first inputs of a target into the directory that the environment names, if it does.
/// libFuzzer reads its corpus only afterwards.
///
/// # Panics
/// Where they cannot be written.
pub fn sow(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(directory) = std::env::var_os("FUZZ_SEEDS") else {
        return;
    };
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).expect("make the directory of the seeds");
    for (number, seed) in seeds().into_iter().enumerate() {
        std::fs::write(directory.join(format!("seed-{number:05}")), seed).expect("write a seed");
    }
}
