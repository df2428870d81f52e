//! Power cuts at every point: what was confirmed is there afterwards, in order and once.

use std::sync::Arc;

use milena_log::storage::{FaultyStorage, Storage};

use super::{Log, Options, Words, propose, single, words};
use crate::metadata::MetadataLog;

fn options(storage: &Arc<dyn Storage>) -> Options {
    let mut options = single(storage);
    options.limits.snapshot_entries = 7;
    options.limits.entries_kept = 2;
    options.limits.segment_bytes_max = 700;
    options
}

/// Proposes words until the power is off; returns those that were confirmed. The last one may be
/// there without having been confirmed.
async fn run(storage: &Arc<dyn Storage>, first: usize) -> Vec<String> {
    let mut confirmed = Vec::new();
    let Ok(log) = Log::open(options(storage), Words::default()).await else {
        return confirmed;
    };
    for number in first..first + 40 {
        let word = number.to_string();
        match propose(&log, &word).await {
            Ok(proposed) if proposed.applied => confirmed.push(word),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    log.stop().await;
    confirmed
}

async fn check(seed: u64) {
    let faulty = FaultyStorage::new(seed);
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    storage.create_directory("/data".as_ref()).unwrap();
    storage.sync_directory("/".as_ref()).unwrap();
    let mut confirmed: Vec<String> = Vec::new();
    for round in 0..4_u64 {
        faulty.power_off_after(5 + (seed * 13 + round * 29) % 97);
        let first = usize::try_from(round).unwrap() * 1000;
        confirmed.extend(run(&storage, first).await);
        faulty.crash();

        let log = Log::open(options(&storage), Words::default())
            .await
            .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
        let found = words(&log);
        log.stop().await;

        // Unconfirmed words may stand between; confirmed ones are there in their order.
        let mut rest = found.iter();
        for word in &confirmed {
            assert!(
                rest.any(|found| found == word),
                "seed {seed}, round {round}: {word} is missing in {found:?}"
            );
        }
        confirmed = found;
    }
}

#[tokio::test]
async fn nothing_confirmed_is_lost_when_the_power_goes() {
    for seed in 0..60 {
        check(seed).await;
    }
}
