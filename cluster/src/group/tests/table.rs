//! The table of the module doc, cell by cell.

use super::*;

/// What happens in a cell: the error of the answer, or none where it waits; and the state after.
type Outcome = (Option<ErrorCode>, Option<State>);

const EMPTY: Option<State> = Some(State::Empty);
const PREPARING: Option<State> = Some(State::PreparingRebalance);
const COMPLETING: Option<State> = Some(State::CompletingRebalance);
const STABLE: Option<State> = Some(State::Stable);
const DEAD: Option<State> = Some(State::Dead);

/// A coordinator with the group in this state, and the two members that it has or had. The first
/// one leads.
fn in_state(state: Option<State>) -> (Harness, Vec<MemberRef>) {
    let mut harness = harness();
    let Some(state) = state else {
        return (harness, vec![member("a-0", 1), member("b-0", 1)]);
    };
    let mut members = harness.stable(&["a", "b"]);
    // The order of ids is that of the names, so the leader is the first one.
    assert_eq!(
        harness.core.classic(GROUP).expect("a group").leader_name(),
        members[0].member_id
    );
    match state {
        State::Stable => {}
        State::PreparingRebalance => {
            let changed = Join {
                protocols: vec![protocol("range")],
                ..join("b", &members[1].member_id)
            };
            harness.send(Request::Join(changed));
        }
        State::CompletingRebalance => {
            for member in &mut members {
                harness.send(Request::Join(join("", &member.member_id)));
                member.generation += 1;
            }
            harness.replies.clear();
        }
        State::Empty | State::Dead => {
            for member in &members {
                harness.leave(&[(&member.member_id, None)]);
            }
            if state == State::Dead {
                harness.is_fast = false;
                harness.send(Request::DeleteGroups(vec![GROUP.into()]));
            }
        }
    }
    assert_eq!(harness.state(), Some(state));
    (harness, members)
}

fn error_of(response: &Response) -> ErrorCode {
    match response {
        Response::Join(joined) => joined.error,
        Response::Sync(synced) => synced.error,
        Response::Heartbeat(error) => *error,
        Response::Leave(left) => left.members.first().map_or(left.error, |(_, error)| *error),
        Response::CommitOffsets(topics) => topics[0].partitions[0].1,
        Response::FetchOffsets(fetched) => fetched.error,
        Response::DeleteOffsets(deleted) => deleted.error,
        Response::ConsumerHeartbeat(result) => result.error,
        Response::DeleteGroups(groups) => groups[0].1,
    }
}

/// Checks one row of cells: what `request` does in every state.
fn check(
    what: &str,
    request: impl Fn(&[MemberRef]) -> Request,
    cells: [(Option<State>, Outcome); 6],
) {
    for (state, (error, after)) in cells {
        let (mut harness, members) = in_state(state);
        let waiter = harness.send(request(&members));
        let found = harness.replies.get(&waiter).map(error_of);
        assert_eq!(found, error, "{what} in {state:?}");
        assert_eq!(harness.state(), after, "{what} in {state:?}");
    }
}

const OK: Option<ErrorCode> = Some(ErrorCode::None);
const UNKNOWN: Option<ErrorCode> = Some(ErrorCode::UnknownMemberId);
const GONE: Option<ErrorCode> = Some(ErrorCode::CoordinatorNotAvailable);
const REBALANCE: Option<ErrorCode> = Some(ErrorCode::RebalanceInProgress);

#[test]
fn join_of_a_new_member() {
    let request = |_: &[MemberRef]| {
        Request::Join(Join {
            requires_known_member_id: false,
            new_member_uuid: Uuid::from_u128(9),
            ..join("c", "")
        })
    };
    check(
        "join of a new member",
        request,
        [
            (None, (None, PREPARING)),
            (EMPTY, (None, PREPARING)),
            (PREPARING, (None, PREPARING)),
            (COMPLETING, (None, PREPARING)),
            (STABLE, (None, PREPARING)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    let pending = Some(ErrorCode::MemberIdRequired);
    check(
        "first join of a new member",
        |_| {
            Request::Join(Join {
                new_member_uuid: Uuid::from_u128(9),
                ..join("c", "")
            })
        },
        [
            (None, (pending, EMPTY)),
            (EMPTY, (pending, EMPTY)),
            (PREPARING, (pending, PREPARING)),
            (COMPLETING, (pending, COMPLETING)),
            (STABLE, (pending, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
}

#[test]
fn join_of_a_known_member() {
    check(
        "join of an unchanged follower",
        |members| Request::Join(join("b", &members[1].member_id)),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (None, PREPARING)),
            (COMPLETING, (OK, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "join of a changed follower",
        |members| {
            let protocols = vec![protocol("range")];
            Request::Join(Join {
                protocols,
                ..join("b", &members[1].member_id)
            })
        },
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (None, PREPARING)),
            (COMPLETING, (None, PREPARING)),
            (STABLE, (None, PREPARING)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "join of the unchanged leader",
        |members| Request::Join(join("a", &members[0].member_id)),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            // The follower has joined already, so that is all.
            (PREPARING, (OK, COMPLETING)),
            (COMPLETING, (OK, COMPLETING)),
            (STABLE, (None, PREPARING)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    let inconsistent = Some(ErrorCode::InconsistentGroupProtocol);
    check(
        "join with other protocols",
        |members| {
            let protocols = vec![protocol("sticky")];
            Request::Join(Join {
                protocols,
                ..join("b", &members[1].member_id)
            })
        },
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (inconsistent, PREPARING)),
            (COMPLETING, (inconsistent, COMPLETING)),
            (STABLE, (inconsistent, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
}

#[test]
fn sync_of_leader_and_follower() {
    check(
        "sync of the leader",
        |members| Request::Sync(sync(&members[0], members)),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (REBALANCE, PREPARING)),
            (COMPLETING, (OK, STABLE)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "sync of a follower",
        |members| Request::Sync(sync(&members[1], &[])),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (REBALANCE, PREPARING)),
            (COMPLETING, (None, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    let illegal = Some(ErrorCode::IllegalGeneration);
    check(
        "sync of an old generation",
        |members| Request::Sync(sync(&member(&members[1].member_id, 0), &[])),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (illegal, PREPARING)),
            (COMPLETING, (illegal, COMPLETING)),
            (STABLE, (illegal, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    let inconsistent = Some(ErrorCode::InconsistentGroupProtocol);
    check(
        "sync with another protocol",
        |members| {
            let protocol_name = Some("sticky".into());
            Request::Sync(Sync {
                protocol_name,
                ..sync(&members[1], &[])
            })
        },
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (inconsistent, PREPARING)),
            (COMPLETING, (inconsistent, COMPLETING)),
            (STABLE, (inconsistent, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
}

#[test]
fn heartbeat_and_leave() {
    check(
        "heartbeat",
        |members| Request::Heartbeat(members[0].clone()),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (REBALANCE, PREPARING)),
            (COMPLETING, (OK, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "leave",
        |members| Request::Leave(leave(&[(&members[0].member_id, None)])),
        [
            (None, (UNKNOWN, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            // The follower has joined already.
            (PREPARING, (OK, COMPLETING)),
            (COMPLETING, (OK, PREPARING)),
            (STABLE, (OK, PREPARING)),
            (DEAD, (GONE, DEAD)),
        ],
    );
}

#[test]
fn commits() {
    let illegal = Some(ErrorCode::IllegalGeneration);
    check(
        "commit by a member",
        |members| Request::CommitOffsets(commit(&members[0], 5)),
        [
            (None, (illegal, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (OK, PREPARING)),
            (COMPLETING, (REBALANCE, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "commit by nobody",
        |_| Request::CommitOffsets(commit(&nobody(), 5)),
        [
            (None, (OK, EMPTY)),
            (EMPTY, (OK, EMPTY)),
            (PREPARING, (UNKNOWN, PREPARING)),
            (COMPLETING, (UNKNOWN, COMPLETING)),
            (STABLE, (UNKNOWN, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    check(
        "commit of an old generation",
        |members| Request::CommitOffsets(commit(&member(&members[0].member_id, 0), 5)),
        [
            (None, (illegal, None)),
            (EMPTY, (UNKNOWN, EMPTY)),
            (PREPARING, (illegal, PREPARING)),
            (COMPLETING, (illegal, COMPLETING)),
            (STABLE, (illegal, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
    let producer = Some(Producer {
        id: ProducerId(1),
        epoch: milena_protocol::ProducerEpoch(0),
    });
    check(
        "transactional commit by nobody",
        |_| {
            Request::CommitOffsets(CommitOffsets {
                producer,
                ..commit(&nobody(), 5)
            })
        },
        [
            (None, (OK, EMPTY)),
            (EMPTY, (OK, EMPTY)),
            (PREPARING, (OK, PREPARING)),
            (COMPLETING, (OK, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (GONE, DEAD)),
        ],
    );
}

#[test]
fn deletions() {
    let not_found = Some(ErrorCode::GroupIdNotFound);
    let non_empty = Some(ErrorCode::NonEmptyGroup);
    check(
        "deletion of the group",
        |_| Request::DeleteGroups(vec![GROUP.into()]),
        [
            (None, (not_found, None)),
            (EMPTY, (OK, None)),
            (PREPARING, (non_empty, PREPARING)),
            (COMPLETING, (non_empty, COMPLETING)),
            (STABLE, (non_empty, STABLE)),
            (DEAD, (not_found, DEAD)),
        ],
    );
    check(
        "deletion of offsets",
        |_| delete_offsets("other"),
        [
            (None, (not_found, None)),
            (EMPTY, (OK, EMPTY)),
            (PREPARING, (OK, PREPARING)),
            (COMPLETING, (OK, COMPLETING)),
            (STABLE, (OK, STABLE)),
            (DEAD, (not_found, DEAD)),
        ],
    );
}

#[test]
fn sessions_that_end() {
    for state in [PREPARING, COMPLETING, STABLE] {
        let (mut harness, members) = in_state(state);
        let alive = members[1].clone();
        for _ in 0..3 {
            harness.heartbeat(&alive);
            harness.advance(5_000);
        }
        let group = harness.core.classic(GROUP).expect("a group");
        assert!(!group.has_member(&members[0].member_id), "{state:?}");
        assert!(group.has_member(&alive.member_id), "{state:?}");
        let after = if state == PREPARING {
            COMPLETING
        } else {
            PREPARING
        };
        assert_eq!(harness.state(), after, "{state:?}");
    }
}

#[test]
fn transitions_are_those_of_kafka() {
    let states = [
        State::Empty,
        State::PreparingRebalance,
        State::CompletingRebalance,
        State::Stable,
        State::Dead,
    ];
    let allowed = [
        "Empty PreparingRebalance",
        "PreparingRebalance Empty",
        "PreparingRebalance CompletingRebalance",
        "CompletingRebalance PreparingRebalance",
        "CompletingRebalance Stable",
        "Stable PreparingRebalance",
    ];
    for from in states {
        for to in states {
            let is_allowed = allowed.contains(&format!("{from} {to}").as_str());
            assert_eq!(from.may_become(to), is_allowed, "{from} to {to}");
        }
    }
}
