use super::*;
use crate::metadata::{Match, QuotaEntity, QuotaFilter};

type Changes<'a> = &'a [(&'a str, Option<f64>)];

type Parts<'a> = &'a [(&'a str, Option<&'a str>)];

fn alteration(parts: Parts<'_>, changes: &[(&str, Option<f64>)]) -> QuotaAlteration {
    QuotaAlteration {
        entity: parts
            .iter()
            .map(|&(kind, name)| (kind.to_owned(), name.map(str::to_owned)))
            .collect(),
        changes: changes
            .iter()
            .map(|&(key, value)| QuotaChange {
                key: key.to_owned(),
                value,
            })
            .collect(),
    }
}

fn alter(
    harness: &mut Harness,
    parts: Parts<'_>,
    changes: &[(&str, Option<f64>)],
) -> Result<(), Error> {
    let request = AlterClientQuotas {
        entries: vec![alteration(parts, changes)],
        validate_only: false,
    };
    harness.ok(&request).remove(0).result
}

const ALICE: Parts<'_> = &[("user", Some("alice"))];

#[test]
fn quotas_are_set_kept_and_removed() {
    let mut harness = Harness::new(1);
    let changes = [
        ("producer_byte_rate", Some(1024.0)),
        ("request_percentage", Some(12.5)),
    ];
    assert_eq!(alter(&mut harness, ALICE, &changes), Ok(()));
    let before = harness.log.len();
    assert_eq!(alter(&mut harness, ALICE, &changes), Ok(()));
    assert_eq!(
        alter(&mut harness, ALICE, &[("consumer_byte_rate", None)]),
        Ok(())
    );
    assert_eq!(harness.log.len(), before, "nothing changed");
    assert_eq!(
        alter(&mut harness, ALICE, &[("producer_byte_rate", None)]),
        Ok(())
    );
    let quotas = harness.image.client_quota(&QuotaEntity::of(ALICE)).unwrap();
    assert_eq!(
        quotas
            .iter()
            .map(|(key, &value)| (key.as_ref(), value))
            .collect::<Vec<_>>(),
        [("request_percentage", 12.5)]
    );
    assert_eq!(
        alter(
            &mut harness,
            &[("ip", Some("10.0.0.1"))],
            &[("connection_creation_rate", Some(5.0))]
        ),
        Ok(())
    );
    assert_eq!(
        alter(
            &mut harness,
            &[("ip", None)],
            &[("connection_creation_rate", Some(5.0))]
        ),
        Ok(())
    );
    harness.check_replay();
}

#[test]
fn wrong_quotas_are_refused() {
    let mut harness = Harness::new(1);
    let rate = [("producer_byte_rate", Some(1.0))];
    let connections = [("connection_creation_rate", Some(1.0))];
    let before = harness.log.len();
    let cases: &[(Parts<'_>, Changes<'_>)] = &[
        (&[], &rate),
        (&[("group", Some("g"))], &rate),
        (&[("user", Some(""))], &rate),
        (&[("user", Some("a")), ("user", Some("b"))], &rate),
        (&[("user", Some("a")), ("ip", Some("1.2.3.4"))], &rate),
        (&[("ip", Some("not an address"))], &connections),
        (&[("ip", Some("1.2.3.4"))], &rate),
        (ALICE, &connections),
        (ALICE, &[("producer_byte_rate", Some(0.0))]),
        (ALICE, &[("producer_byte_rate", Some(-1.0))]),
        (ALICE, &[("producer_byte_rate", Some(f64::NAN))]),
        (ALICE, &[("producer_byte_rate", Some(1.5))]),
        (ALICE, &[("producer_byte_rate", Some(1e30))]),
        (&[("ip", None)], &[("connection_creation_rate", Some(3e9))]),
        (
            ALICE,
            &[
                ("producer_byte_rate", Some(1.0)),
                ("producer_byte_rate", Some(2.0)),
            ],
        ),
        (
            ALICE,
            &[("consumer_byte_rate", Some(1.0)), ("nothing", Some(2.0))],
        ),
    ];
    for &(parts, changes) in cases {
        let error = alter(&mut harness, parts, changes).unwrap_err();
        assert_eq!(
            error.code,
            ErrorCode::InvalidRequest,
            "{parts:?} {changes:?}"
        );
    }
    assert_eq!(harness.log.len(), before);
    let request = AlterClientQuotas {
        entries: vec![alteration(ALICE, &rate), alteration(ALICE, &rate)],
        validate_only: true,
    };
    let results = harness.ok(&request);
    assert_eq!(results[0].result, Ok(()));
    assert_eq!(
        results[1].result,
        Err(Error::new(
            ErrorCode::InvalidRequest,
            "Ignoring duplicate entity ClientQuotaEntity(user=alice)"
        ))
    );
    assert_eq!(harness.log.len(), before);
}

#[test]
fn quotas_are_found_by_filter() {
    let mut harness = Harness::new(1);
    let rate = [("producer_byte_rate", Some(1.0))];
    let entities: &[Parts<'_>] = &[
        &[("user", Some("a"))],
        &[("user", None)],
        &[("user", Some("a")), ("client-id", Some("c"))],
        &[("client-id", Some("c"))],
    ];
    for parts in entities {
        alter(&mut harness, parts, &rate).unwrap();
    }
    let check = |components: &[(&str, Match)], strict, expected: &[usize]| {
        let components = components
            .iter()
            .map(|(kind, wanted)| (Arc::from(*kind), wanted.clone()));
        let filter = QuotaFilter {
            components: components.collect(),
            strict,
        };
        let found = harness.image.describe_client_quotas(&filter).unwrap();
        let mut found: Vec<_> = found.into_iter().map(|(entity, _)| entity).collect();
        let mut wanted: Vec<_> = expected
            .iter()
            .map(|&i| QuotaEntity::of(entities[i]))
            .collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{filter:?}");
    };
    let exact = |name: &str| Match::Exact(Arc::from(name));
    check(&[], false, &[0, 1, 2, 3]);
    check(&[], true, &[]);
    check(&[("user", exact("a"))], false, &[0, 2]);
    check(&[("user", exact("a"))], true, &[0]);
    check(&[("user", Match::Default)], false, &[1]);
    check(&[("user", Match::Any)], true, &[0, 1]);
    check(
        &[("user", Match::Any), ("client-id", Match::Any)],
        true,
        &[2],
    );
    check(&[("client-id", Match::Any)], false, &[2, 3]);
    for (kinds, code) in [
        (&["user", "user"][..], ErrorCode::InvalidRequest),
        (&["user", "ip"], ErrorCode::InvalidRequest),
        (&[""], ErrorCode::InvalidRequest),
        (&["group"], ErrorCode::UnsupportedVersion),
    ] {
        let components = kinds
            .iter()
            .map(|kind| (Arc::from(*kind), Match::Any))
            .collect();
        let filter = QuotaFilter {
            components,
            strict: false,
        };
        assert_eq!(
            harness
                .image
                .describe_client_quotas(&filter)
                .unwrap_err()
                .code,
            code
        );
    }
}
