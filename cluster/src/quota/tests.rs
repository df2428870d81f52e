use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use milena_protocol::{ErrorCode, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::metadata::QuotaEntity;

/// Parts of an entity.
type Parts<'a> = &'a [(&'a str, Option<&'a str>)];
/// An entity, a key and its value.
type Row<'a> = (Parts<'a>, &'a str, f64);

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn window() -> Window {
    Window::new(11, 1)
}

fn client<'a>(user: &'a str, client_id: &'a str) -> Client<'a> {
    Client { user, client_id }
}

fn table(rows: &[Row<'_>]) -> Arc<Table> {
    let entities: Vec<_> = rows
        .iter()
        .map(|(parts, key, value)| (QuotaEntity::of(parts), *key, *value))
        .collect();
    let rows = entities.iter();
    Arc::new(Table::new(
        rows.map(|(entity, key, value)| (entity, *key, *value)),
    ))
}

fn produce(limit: f64) -> ClientQuotas {
    let mut quotas = ClientQuotas::new(Kind::Produce, window());
    quotas.set_table(table(&[(
        &[("client-id", Some("c"))],
        "producer_byte_rate",
        limit,
    )]));
    quotas
}

#[test]
fn limit_is_found_in_the_order_of_kip_55() {
    let named = |kind, name| (kind, Some(name));
    let default = |kind| (kind, None);
    // From the weakest to the strongest; each one hides those before it.
    let rows: [(Parts<'_>, Scope); 8] = [
        (&[default("client-id")], Scope::Client),
        (&[named("client-id", "c")], Scope::Client),
        (&[default("user")], Scope::User),
        (
            &[default("user"), default("client-id")],
            Scope::UserAndClient,
        ),
        (
            &[default("user"), named("client-id", "c")],
            Scope::UserAndClient,
        ),
        (&[named("user", "u")], Scope::User),
        (
            &[named("user", "u"), default("client-id")],
            Scope::UserAndClient,
        ),
        (
            &[named("user", "u"), named("client-id", "c")],
            Scope::UserAndClient,
        ),
    ];
    let mut set: Vec<Row<'_>> = Vec::new();
    for (index, (parts, scope)) in rows.iter().enumerate() {
        let value = f64::from(u32::try_from(index).expect("small"));
        set.push((parts, "producer_byte_rate", value));
        let limit = table(&set).limit(Kind::Produce, client("u", "c"));
        assert_eq!(
            limit,
            Some(Limit {
                value,
                scope: *scope
            }),
            "{parts:?}"
        );
    }
    let all = table(&set);
    let check = |user, id, expected: f64| {
        let limit = all.limit(Kind::Produce, client(user, id));
        assert_eq!(
            limit.map(|limit| limit.value),
            Some(expected),
            "{user} {id}"
        );
    };
    check("u", "other", 6.0);
    check("other", "c", 4.0);
    check("other", "other", 3.0);
    assert_eq!(all.limit(Kind::Fetch, client("u", "c")), None);
}

#[test]
fn wait_is_what_kafka_computes() {
    let mut quotas = produce(500.0);
    let mut now = NOW;
    for _ in 0..10 {
        assert_eq!(quotas.record(client("u", "c"), 400.0, now), 0);
        now = now.plus_ms(1000);
    }
    // 6300 bytes in 10.5 s are 600 a second, 100 too many: (600 - 500) / 500 * 10.5 s.
    now = now.plus_ms(500);
    assert_eq!(quotas.record(client("u", "c"), 2300.0, now), 2100);
    // The client waits, and goes on below the limit for a window.
    now = now.plus_ms(2100);
    for _ in 0..12 {
        quotas.record(client("u", "c"), 400.0, now);
        now = now.plus_ms(1000);
    }
    assert_eq!(quotas.record(client("u", "c"), 0.0, now), 0);
}

#[test]
fn first_burst_counts_over_the_whole_window() {
    let mut quotas = produce(500.0);
    assert_eq!(quotas.record(client("u", "c"), 5000.0, NOW), 0);
    // 5500 in 10 s: (550 - 500) / 500 * 10 s.
    assert_eq!(quotas.record(client("u", "c"), 500.0, NOW), 1000);
    quotas.take_back(client("u", "c"), 500.0, NOW);
    assert_eq!(quotas.record(client("u", "c"), 0.0, NOW), 0);
    assert_eq!(quotas.amount_max(client("u", "c")), Some(5000.0));
    assert_eq!(quotas.amount_max(client("u", "other")), None);
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let mut quotas = produce(500.0);
    assert!(quotas.record(client("u", "c"), 1e9, NOW) > 0);
    let late = NOW.plus_ms(11_000);
    assert_eq!(quotas.record(client("u", "c"), 100.0, late), 0);
}

#[test]
fn client_without_a_limit_is_not_measured() {
    let mut quotas = produce(500.0);
    assert_eq!(quotas.record(client("u", "other"), 1e9, NOW), 0);
    assert_eq!(quotas.sensor_count(), 0);
}

#[test]
fn limit_is_shared_by_its_scope() {
    let mut quotas = ClientQuotas::new(Kind::Fetch, window());
    quotas.set_table(table(&[(&[("user", None)], "consumer_byte_rate", 100.0)]));
    assert_eq!(quotas.record(client("u", "a"), 1000.0, NOW), 0);
    assert!(
        quotas.record(client("u", "b"), 1.0, NOW) > 0,
        "the same user"
    );
    assert_eq!(
        quotas.record(client("v", "a"), 1000.0, NOW),
        0,
        "another user"
    );
    assert_eq!(quotas.sensor_count(), 2);
}

#[test]
fn new_limits_hold_for_what_was_used_before() {
    let mut quotas = produce(500.0);
    assert_eq!(quotas.record(client("u", "c"), 5000.0, NOW), 0);
    quotas.set_table(table(&[(
        &[("client-id", Some("c"))],
        "producer_byte_rate",
        250.0,
    )]));
    assert_eq!(quotas.record(client("u", "c"), 0.0, NOW), 10_000);
    quotas.set_table(table(&[]));
    assert_eq!(quotas.record(client("u", "c"), 1e9, NOW), 0);
}

#[test]
fn wait_for_request_time_is_at_most_a_sample() {
    let mut quotas = ClientQuotas::new(Kind::Request, window());
    quotas.set_table(table(&[(
        &[("client-id", None)],
        "request_percentage",
        1.0,
    )]));
    assert_eq!(quotas.record(client("u", "c"), 10.0, NOW), 0);
    assert_eq!(quotas.record(client("u", "c"), 0.5, NOW), 500);
    assert_eq!(quotas.record(client("u", "c"), 1000.0, NOW), 1000);
}

#[test]
fn limit_of_nothing_waits_for_a_window() {
    let mut quotas = produce(0.0);
    assert_eq!(quotas.record(client("u", "c"), 0.0, NOW), 0);
    assert_eq!(quotas.record(client("u", "c"), 1.0, NOW), 11_000);
}

#[test]
fn clock_that_goes_back_does_no_harm() {
    let mut quotas = produce(500.0);
    quotas.record(client("u", "c"), 5000.0, NOW);
    assert_eq!(quotas.record(client("u", "c"), 500.0, Timestamp(5)), 1000);
}

fn mutations(limit: f64) -> MutationQuotas {
    let mut quotas = MutationQuotas::new(window());
    quotas.set_table(table(&[(
        &[("user", Some("u"))],
        "controller_mutation_rate",
        limit,
    )]));
    quotas
}

#[test]
fn changes_are_refused_when_the_bucket_is_overdrawn() {
    let mut quotas = mutations(5.0);
    let who = client("u", "c");
    // 55 tokens are there; one change may overdraw.
    assert_eq!(quotas.take(who, 50, NOW), Ok(()));
    assert_eq!(quotas.take(who, 15, NOW), Ok(()));
    let exceeded = quotas.take(who, 1, NOW).expect_err("overdrawn by 10");
    assert_eq!(exceeded, Exceeded { throttle_ms: 2000 });
    assert_eq!(exceeded.code(), ErrorCode::ThrottlingQuotaExceeded);
    assert!(exceeded.is_retriable());
    assert_eq!(quotas.throttle_ms(who, NOW.plus_ms(1500)), 500);
    assert_eq!(quotas.take(who, 1, NOW.plus_ms(2000)), Ok(()));
    assert_eq!(quotas.take(client("v", "c"), 1000, NOW), Ok(()));
    assert_eq!(quotas.throttle_ms(client("v", "c"), NOW), 0);
}

#[test]
fn client_that_knows_no_refusal_waits_afterwards() {
    let mut quotas = mutations(5.0);
    let who = client("u", "c");
    assert_eq!(quotas.take_anyway(who, 55, NOW), 0);
    assert_eq!(quotas.take_anyway(who, 5, NOW), 1000);
    assert_eq!(quotas.take_anyway(who, 5, NOW), 2000);
    assert_eq!(quotas.throttle_ms(who, NOW.plus_ms(20_000)), 0);
}

#[test]
fn address_that_connects_too_often_is_refused() {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let other = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut rates = ConnectionRates::new(window());
    rates.set_table(table(&[(
        &[("ip", Some("127.0.0.1"))],
        "connection_creation_rate",
        1.0,
    )]));
    for _ in 0..10 {
        assert_eq!(rates.admit(address, NOW), Admission::Now);
    }
    assert_eq!(rates.admit(address, NOW), Admission::Refuse(1000));
    assert_eq!(rates.admit(other, NOW), Admission::Now);
    // What was refused does not count.
    assert_eq!(
        rates.admit(address, NOW.plus_ms(1000)),
        Admission::Refuse(1000)
    );
    assert_eq!(rates.admit(address, NOW.plus_ms(11_000)), Admission::Now);
}

#[test]
fn broker_waits_before_it_accepts_more() {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut rates = ConnectionRates::new(window());
    rates.set_limit(Some(2.0));
    for _ in 0..20 {
        assert_eq!(rates.admit(address, NOW), Admission::Now);
    }
    assert_eq!(rates.admit(address, NOW), Admission::Wait(500));
    rates.set_limit(None);
    assert_eq!(rates.admit(address, NOW), Admission::Now);
}

#[test]
fn default_holds_for_every_other_address() {
    let rows = table(&[
        (&[("ip", None)], "connection_creation_rate", 1.0),
        (&[("ip", Some("::1"))], "connection_creation_rate", 9.0),
        (&[("ip", Some("a name"))], "connection_creation_rate", 7.0),
    ]);
    assert_eq!(
        rows.connections("::1".parse().expect("an address")),
        Some(9.0)
    );
    assert_eq!(
        rows.connections("10.0.0.1".parse().expect("an address")),
        Some(1.0)
    );
}

#[test]
fn idle_clients_are_forgotten() {
    let mut quotas = ClientQuotas::new(Kind::Produce, window());
    quotas.set_table(table(&[(
        &[("client-id", None)],
        "producer_byte_rate",
        1.0,
    )]));
    let mut now = NOW;
    for index in 0..10_000 {
        quotas.record(client("u", &index.to_string()), 1.0, now);
        now = now.plus_ms(20);
    }
    assert!(quotas.sensor_count() < 2048, "{}", quotas.sensor_count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A client that always waits as long as it is told stays near its limit.
    #[test]
    fn obedient_client_keeps_the_limit(amounts in proptest::collection::vec(1.0_f64..3000.0, 200..300)) {
        let mut quotas = produce(500.0);
        let mut now = NOW;
        let mut total = 0.0;
        for amount in amounts {
            let wait_ms = quotas.record(client("u", "c"), amount, now);
            prop_assert!(wait_ms >= 0);
            total += amount;
            now = now.plus_ms(wait_ms + 1);
        }
        let seconds = now.ms_since(NOW) as f64 / 1000.0;
        // One window of burst, and the sample that is only partly in the window.
        prop_assert!(total <= 500.0 * 1.25 * (seconds + 12.0), "{total} in {seconds} s");
    }
}
