//! What every request means in every state, as a table.

use std::fmt::Write as _;

use super::*;

const STATES: [State; 6] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
];

/// What is stored has epoch 5; version 2 has counted it up in every state that follows an end.
const PRESENT: i16 = 5;

fn init_of(expected: Option<Producer>) -> Request {
    Request::Init(InitProducerId { expected, ..init() })
}

fn verify(index: i32) -> Request {
    Request::Verify(VerifyPartitions {
        transactional_id: "a".to_owned(),
        producer: producer(10, PRESENT),
        partitions: [partition(index)].into(),
    })
}

fn requests() -> Vec<(&'static str, Request)> {
    let present = producer(10, PRESENT);
    let before = producer(10, PRESENT - 1);
    let after = producer(10, PRESENT + 1);
    let other = producer(11, PRESENT);
    vec![
        ("init", init_of(None)),
        ("init, present epoch", init_of(Some(present))),
        ("init, epoch before", init_of(Some(before))),
        (
            "init, older epoch",
            init_of(Some(producer(10, PRESENT - 2))),
        ),
        ("init, other id", init_of(Some(other))),
        ("add, version 0", add(present, 1, 0)),
        ("add, version 2", add(present, 1, 2)),
        ("add what is there", add(present, 0, 2)),
        ("add, epoch before", add(before, 1, 2)),
        ("add, epoch after", add(after, 1, 2)),
        ("add, other id", add(other, 1, 2)),
        ("verify what is there", verify(0)),
        ("verify another", verify(1)),
        ("commit, version 0", end(present, true, 0)),
        ("commit, version 0, epoch before", end(before, true, 0)),
        ("commit, version 0, other id", end(other, true, 0)),
        ("abort, version 0", end(present, false, 0)),
        ("commit, version 2", end(present, true, 2)),
        ("commit, version 2, epoch before", end(before, true, 2)),
        ("commit, version 2, epoch after", end(after, true, 2)),
        ("commit, version 2, other id", end(other, true, 2)),
        ("abort, version 2", end(present, false, 2)),
        ("abort, version 2, epoch before", end(before, false, 2)),
    ]
}

fn error_of(response: &Response) -> ErrorCode {
    match response {
        Response::Init(done) => done.error,
        Response::Add(error) => *error,
        Response::Verify(partitions) => *partitions.values().next().unwrap(),
        Response::End(done) => done.error,
    }
}

fn cell(state: State, request: &Request) -> String {
    let mut transaction = Transaction::loaded(metadata(state, PRESENT));
    transaction.last_epoch = ProducerEpoch(PRESENT - 1);
    let config = config();
    let circumstances = Circumstances {
        config: &config,
        now: Timestamp(2_000),
        transaction: Some(&transaction),
        spare_producer_id: None,
    };
    let short = |state: &Transaction| {
        let epoch = state.metadata.producer_epoch.0;
        format!("{} {epoch}", state.state().name())
    };
    match decide(&circumstances, request) {
        Verdict::Reply(response) => error_of(&response).name().to_owned(),
        Verdict::Store(states, response) => {
            assert_eq!(error_of(&response), ErrorCode::None);
            let states: Vec<_> = states.iter().map(short).collect();
            states.join(", ")
        }
        Verdict::StoreAndWait(state) => format!("{}, wait", short(&state)),
        Verdict::Wait => "wait".to_owned(),
        Verdict::NeedsProducerId => "new id".to_owned(),
    }
}

#[test]
fn every_request_in_every_state() {
    let mut table = String::new();
    for (name, request) in requests() {
        writeln!(table, "{name}").unwrap();
        for state in STATES {
            let cell = cell(state, &request);
            writeln!(table, "  {:<15}{cell}", state.name()).unwrap();
        }
    }
    assert_eq!(table, include_str!("codes.txt"), "\n{table}");
}

#[test]
fn an_id_that_nobody_knows() {
    let config = config();
    let circumstances = Circumstances {
        config: &config,
        now: Timestamp(2_000),
        transaction: None,
        spare_producer_id: None,
    };
    for (name, request) in requests() {
        let verdict = decide(&circumstances, &request);
        match (&verdict, &request) {
            (Verdict::NeedsProducerId, Request::Init(_)) => {}
            (Verdict::Reply(response), _) => {
                assert_eq!(
                    error_of(response),
                    ErrorCode::InvalidProducerIdMapping,
                    "{name}"
                );
            }
            _ => panic!("{name}: {verdict:?}"),
        }
    }
}

#[test]
fn what_init_refuses_whatever_the_state() {
    let refusals = [
        (
            InitProducerId {
                transactional_id: String::new(),
                ..init()
            },
            ErrorCode::InvalidRequest,
        ),
        (
            InitProducerId {
                timeout_ms: 0,
                ..init()
            },
            ErrorCode::InvalidTransactionTimeout,
        ),
        (
            InitProducerId {
                timeout_ms: config().max_timeout_ms + 1,
                ..init()
            },
            ErrorCode::InvalidTransactionTimeout,
        ),
        (
            InitProducerId {
                keep_prepared: true,
                ..init()
            },
            ErrorCode::UnsupportedVersion,
        ),
        (
            InitProducerId {
                two_phase_commit: true,
                ..init()
            },
            ErrorCode::TransactionalIdAuthorizationFailed,
        ),
    ];
    for (request, error) in refusals {
        let mut world = World::new(config());
        let response = world.get(Request::Init(request));
        assert_eq!(error_of(&response), error);
        assert_eq!(world.log, []);
    }
}
