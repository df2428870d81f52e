//! Bytes from outside never panic and are never taken for more than they are. Seeded mutations of
//! valid inputs, a fixed number of cases each; `scripts/fuzz` runs the same checks for longer.

pub mod frame;
pub mod metadata;
pub mod mutate;
pub mod request;

use mutate::hammer;

#[test]
fn frames_and_headers_withstand_hostile_bytes() {
    hammer(1, 60_000, &frame::seeds(), frame::check);
}

#[test]
fn every_request_withstands_hostile_bytes() {
    hammer(2, 60_000, &request::seeds(), request::check);
}

#[test]
fn stored_records_withstand_hostile_bytes() {
    hammer(3, 60_000, &metadata::seeds(), metadata::check);
}

#[test]
fn there_is_a_valid_body_of_every_request_among_the_seeds() {
    use milena_protocol::{api, guard};

    let seeds = request::seeds();
    for (number, api) in api::APIS.iter().enumerate() {
        for version in api.min_version..=api.max_version {
            let is_there = seeds.iter().any(|seed| {
                let (key, of, body) = request::parts(seed).expect("a seed has a key");
                key == api.key && of == version && guard::check(key, of, body) == Ok(())
            });
            assert!(
                is_there,
                "number {number}, {} version {version}: no body was found",
                api.name
            );
        }
    }
}
