//! Each class in a history of its own, beside a twin without it.

use std::collections::BTreeSet;

use super::{Class, Event, Function, History, Isolation, Key, Kind, Step, check};

/// Builds a history; each call is later than the one before.
#[derive(Debug, Default)]
struct Story {
    history: History,
    now: u64,
    isolation: Isolation,
}

fn key(name: &str) -> Key {
    Key(name.to_owned())
}

fn sent(name: &str, value: u64, offset: i64) -> Step {
    Step::Send(key(name), value, Some(offset))
}

fn unknown(name: &str, value: u64) -> Step {
    Step::Send(key(name), value, None)
}

fn polled(name: &str, rows: &[(i64, u64)]) -> Step {
    Step::Poll([(key(name), rows.to_vec())].into())
}

fn commits(offset: i64) -> Step {
    Step::Commit("group".to_owned(), key("in"), offset)
}

fn fetched(offset: i64) -> Step {
    Step::Committed("group".to_owned(), key("in"), offset)
}

impl Story {
    /// All consumers read what is committed.
    fn committed() -> Self {
        Self {
            isolation: Isolation::ReadCommitted,
            ..Self::default()
        }
    }

    fn event(
        mut self,
        process: u64,
        kind: Kind,
        function: Function,
        steps: &[Step],
        keys: &[&str],
    ) -> Self {
        self.now += 10;
        let has_id = matches!(function, Function::Txn | Function::Init);
        self.history.push(Event {
            at: self.now,
            process,
            kind,
            function,
            isolation: self.isolation,
            transactional_id: has_id.then(|| "id".to_owned()),
            steps: steps.to_vec(),
            keys: keys.iter().map(|name| key(name)).collect(),
        });
        self
    }

    fn begin(self, process: u64, function: Function, steps: &[Step]) -> Self {
        self.event(process, Kind::Invoke, function, steps, &[])
    }

    fn prepare(self, process: u64, steps: &[Step]) -> Self {
        self.event(process, Kind::Prepare, Function::Txn, steps, &[])
    }

    fn end(self, process: u64, kind: Kind, function: Function, steps: &[Step]) -> Self {
        self.event(process, kind, function, steps, &[])
    }

    /// An operation that nothing overlaps.
    fn whole(self, process: u64, kind: Kind, function: Function, steps: &[Step]) -> Self {
        self.begin(process, function, steps)
            .end(process, kind, function, steps)
    }

    fn keys(self, process: u64, function: Function, keys: &[&str]) -> Self {
        self.event(process, Kind::Invoke, function, &[], keys)
            .event(process, Kind::Ok, function, &[], keys)
    }

    fn send(self, process: u64, steps: &[Step]) -> Self {
        self.whole(process, Kind::Ok, Function::Send, steps)
    }

    fn poll(self, process: u64, steps: &[Step]) -> Self {
        self.whole(process, Kind::Ok, Function::Poll, steps)
    }

    fn txn(self, process: u64, kind: Kind, steps: &[Step]) -> Self {
        self.whole(process, kind, Function::Txn, steps)
    }

    fn init(self, process: u64) -> Self {
        self.whole(process, Kind::Ok, Function::Init, &[])
    }

    fn classes(&self) -> Vec<Class> {
        let found: BTreeSet<Class> = check(&self.history).iter().map(|one| one.class).collect();
        found.into_iter().collect()
    }

    fn has(self, class: Class) {
        assert_eq!(self.classes(), [class], "{:#?}", check(&self.history));
    }

    fn clean(self) {
        assert_eq!(check(&self.history), []);
    }
}

#[test]
fn two_values_at_one_offset() {
    let story = |offset| {
        Story::default()
            .send(1, &[sent("k", 1, 0)])
            .send(2, &[sent("k", 2, offset)])
    };
    story(0).has(Class::InconsistentOffsets);
    story(1).clean();
}

#[test]
fn readers_disagree_on_an_offset() {
    let story = |value| {
        Story::default()
            .poll(1, &[polled("k", &[(0, 1)])])
            .poll(2, &[polled("k", &[(0, value)])])
    };
    story(2).has(Class::InconsistentOffsets);
    story(1).clean();
}

#[test]
fn one_value_at_two_offsets() {
    let story = |offset| {
        Story::default()
            .send(1, &[sent("k", 1, 0)])
            .poll(2, &[polled("k", &[(0, 1)])])
            .poll(3, &[polled("k", &[(offset, 1)])])
    };
    story(1).has(Class::Duplicate);
    story(0).clean();
}

#[test]
fn acknowledged_value_is_missing_below_what_was_read() {
    let story = |outcome| {
        Story::default()
            .whole(1, outcome, Function::Send, &[sent("k", 1, 0)])
            .send(2, &[sent("k", 2, 1)])
            .poll(3, &[polled("k", &[(1, 2)])])
    };
    story(Kind::Ok).has(Class::LostWrite);
    // Nobody was promised that it is there.
    story(Kind::Info).clean();
}

#[test]
fn deleted_values_are_not_lost() {
    let delete = [Step::Delete(key("k"), 1)];
    Story::default()
        .send(1, &[sent("k", 1, 0), sent("k", 2, 1)])
        .whole(2, Kind::Info, Function::Delete, &delete)
        .poll(3, &[polled("k", &[(1, 2)])])
        .keys(3, Function::Finish, &["k"])
        .clean();
}

#[test]
fn value_of_unknown_fate_counts_once_another_of_its_operation_was_read() {
    let steps = [sent("k", 1, 0), sent("k", 2, 1)];
    Story::default()
        .whole(1, Kind::Info, Function::Send, &steps)
        .poll(3, &[polled("k", &[(1, 2)])])
        .has(Class::LostWrite);
}

#[test]
fn acknowledged_value_is_not_in_the_last_reads() {
    let story = |rows: &[(i64, u64)]| {
        Story::default()
            .send(1, &[sent("k", 1, 0)])
            .send(1, &[sent("k", 2, 1)])
            .poll(2, &[polled("k", rows)])
            .keys(2, Function::Finish, &["k"])
    };
    story(&[(0, 1)]).has(Class::Unseen);
    story(&[(0, 1), (1, 2)]).clean();
}

#[test]
fn value_that_was_read_is_gone_in_the_last_reads() {
    let story = |rows: &[(i64, u64)]| {
        Story::default()
            .whole(1, Kind::Info, Function::Send, &[unknown("k", 1)])
            .poll(2, &[polled("k", &[(0, 1)])])
            .poll(3, &[polled("k", rows)])
            .keys(3, Function::Finish, &["k"])
    };
    story(&[]).has(Class::Unseen);
    story(&[(0, 1)]).clean();
}

#[test]
fn aborted_value_is_read() {
    let story = |kind| {
        Story::committed()
            .txn(1, kind, &[sent("k", 1, 0)])
            .poll(2, &[polled("k", &[(0, 1)])])
    };
    story(Kind::Fail).has(Class::DirtyRead);
    story(Kind::Info).clean();
    // Who reads everything may see it.
    Story::default()
        .txn(1, Kind::Fail, &[sent("k", 1, 0)])
        .poll(2, &[polled("k", &[(0, 1)])])
        .clean();
}

#[test]
fn value_is_read_before_its_commit() {
    let steps = [sent("k", 1, 0)];
    let seen = [polled("k", &[(0, 1)])];
    Story::committed()
        .begin(1, Function::Txn, &steps)
        .poll(2, &seen)
        .prepare(1, &steps)
        .end(1, Kind::Ok, Function::Txn, &steps)
        .has(Class::PrecommittedRead);
    Story::committed()
        .begin(1, Function::Txn, &steps)
        .prepare(1, &steps)
        .poll(2, &seen)
        .end(1, Kind::Ok, Function::Txn, &steps)
        .clean();
}

#[test]
fn transaction_reads_its_own_write() {
    let story = |value| {
        let steps = [sent("k", 1, 0), polled("k", &[(0, value)])];
        Story::committed().txn(1, Kind::Ok, &steps)
    };
    story(1).has(Class::PrecommittedRead);
    Story::committed()
        .txn(1, Kind::Ok, &[sent("k", 1, 0), polled("k", &[])])
        .clean();
}

#[test]
fn polls_within_an_operation() {
    let story = |rows: &[(i64, u64)]| {
        Story::default()
            .send(1, &[sent("k", 1, 0), sent("k", 2, 1), sent("k", 3, 3)])
            .poll(2, &[polled("k", &[(0, 1), (1, 2), (3, 3)])])
            .poll(3, &[polled("k", rows)])
    };
    story(&[(0, 1), (3, 3)]).has(Class::InternalPollSkip);
    story(&[(1, 2), (0, 1)]).has(Class::InternalNonmonotonicPoll);
    // A gap without a value, such as a marker, is none.
    story(&[(1, 2), (3, 3)]).clean();
}

#[test]
fn polls_of_one_process() {
    let story = |first: (i64, u64), second: (i64, u64), function| {
        Story::default()
            .send(1, &[sent("k", 1, 0), sent("k", 2, 1), sent("k", 3, 3)])
            .poll(2, &[polled("k", &[(0, 1), (1, 2), (3, 3)])])
            .keys(3, function, &["k"])
            .poll(3, &[polled("k", &[first])])
            .poll(3, &[polled("k", &[second])])
    };
    let assign = Function::Assign;
    story((0, 1), (3, 3), assign).has(Class::ExternalPollSkip);
    story((1, 2), (0, 1), assign).has(Class::ExternalNonmonotonicPoll);
    story((0, 1), (1, 2), assign).clean();
    story((1, 2), (3, 3), assign).clean();
    let subscribe = Function::Subscribe;
    story((0, 1), (3, 3), subscribe).has(Class::SubscribedPollSkip);
    story((1, 2), (0, 1), subscribe).has(Class::SubscribedNonmonotonicPoll);
    let found = check(&story((1, 2), (0, 1), subscribe).history);
    assert!(found.iter().all(super::Anomaly::is_allowed));
}

#[test]
fn new_assignments_and_seeks_forget_the_position() {
    for function in [Function::Assign, Function::Seek] {
        let others: &[&str] = if function == Function::Seek {
            &["k"]
        } else {
            &["other"]
        };
        Story::default()
            .poll(1, &[polled("k", &[(0, 1), (1, 2)])])
            .keys(1, function, others)
            .poll(1, &[polled("k", &[(0, 1)])])
            .clean();
    }
}

#[test]
fn aborted_values_may_be_passed_over() {
    Story::committed()
        .txn(1, Kind::Ok, &[sent("k", 1, 0)])
        .txn(1, Kind::Fail, &[sent("k", 2, 2)])
        .txn(1, Kind::Ok, &[sent("k", 3, 4)])
        .poll(2, &[polled("k", &[(0, 1)])])
        .poll(2, &[polled("k", &[(4, 3)])])
        .clean();
}

#[test]
fn offsets_of_sends() {
    let inside =
        |first, second| Story::default().send(1, &[sent("k", 1, first), sent("k", 2, second)]);
    inside(1, 0).has(Class::InternalNonmonotonicSend);
    inside(0, 1).clean();
    let across = |first, second| {
        Story::default()
            .send(1, &[sent("k", 1, first)])
            .send(1, &[sent("k", 2, second)])
    };
    across(1, 0).has(Class::ExternalNonmonotonicSend);
    across(0, 1).clean();
}

#[test]
fn interleaved_writes_are_allowed() {
    let story = |fourth| {
        Story::committed()
            .begin(1, Function::Txn, &[])
            .begin(2, Function::Txn, &[])
            .end(
                1,
                Kind::Ok,
                Function::Txn,
                &[sent("k", 1, 0), sent("l", 1, 1)],
            )
            .end(
                2,
                Kind::Ok,
                Function::Txn,
                &[sent("k", 2, 1), sent("l", 2, fourth)],
            )
    };
    story(0).has(Class::G0);
    assert!(
        check(&story(0).history)
            .iter()
            .all(super::Anomaly::is_allowed)
    );
    story(2).clean();
}

#[test]
fn transactions_that_read_each_other() {
    let story = |second: &[(i64, u64)]| {
        let one = [sent("k", 1, 0), polled("l", &[(0, 1)])];
        let two = [sent("l", 1, 0), polled("k", second)];
        Story::committed()
            .begin(1, Function::Txn, &one)
            .begin(2, Function::Txn, &two)
            .end(1, Kind::Ok, Function::Txn, &one)
            .end(2, Kind::Ok, Function::Txn, &two)
    };
    story(&[(0, 1)]).has(Class::G1c);
    story(&[]).clean();
}

#[test]
fn process_that_sees_what_it_sends_later() {
    let story = |is_early| {
        let (write, seen) = ([sent("k", 1, 0)], [polled("k", &[(0, 1)])]);
        // The times overlap, only the order within the process is known.
        let story = Story::default();
        let story = if is_early {
            story
                .begin(1, Function::Poll, &seen)
                .end(1, Kind::Info, Function::Poll, &seen)
        } else {
            story
        };
        let story = story.send(1, &write);
        if is_early {
            story
        } else {
            story.poll(1, &seen)
        }
    };
    story(true).has(Class::G1cProcess);
    story(false).clean();
}

#[test]
fn value_is_read_before_it_is_sent() {
    let story = |is_early| {
        let (write, seen) = ([sent("k", 1, 0)], [polled("k", &[(0, 1)])]);
        if is_early {
            Story::default().poll(1, &seen).send(2, &write)
        } else {
            Story::default().send(2, &write).poll(1, &seen)
        }
    };
    story(true).has(Class::G1cRealtime);
    story(false).clean();
}

#[test]
fn cycle_through_the_order_of_writes_is_allowed() {
    // The second follows the first in k, and the first has read the second.
    let story = |offset| {
        let one = [sent("k", 1, 0), polled("l", &[(0, 1)])];
        let two = [sent("k", 2, offset), sent("l", 1, 0)];
        Story::committed()
            .begin(1, Function::Txn, &one)
            .begin(2, Function::Txn, &two)
            .end(2, Kind::Ok, Function::Txn, &two)
            .end(1, Kind::Ok, Function::Txn, &one)
    };
    story(1).has(Class::G1cWrites);
    story(-1).clean();
}

#[test]
fn transaction_is_seen_in_one_partition_only() {
    let story = |rows: &[(i64, u64)]| {
        Story::committed()
            .txn(1, Kind::Ok, &[sent("k", 1, 0), sent("l", 1, 0)])
            .poll(2, &[polled("k", &[(0, 1)]), polled("l", rows)])
            .keys(2, Function::Finish, &["k", "l"])
    };
    story(&[]).has(Class::HalfVisible);
    story(&[(0, 1)]).clean();
}

#[test]
fn half_of_a_transaction_of_unknown_fate_is_seen() {
    let story = |rows: &[(i64, u64)]| {
        Story::committed()
            .txn(1, Kind::Info, &[unknown("k", 1), unknown("l", 1)])
            .poll(2, &[polled("k", rows), polled("l", &[(0, 1)])])
            .keys(2, Function::Finish, &["k", "l"])
    };
    story(&[]).has(Class::HalfVisible);
    story(&[(0, 1)]).clean();
}

#[test]
fn offsets_of_a_committed_transaction_are_missing() {
    let story = |offset| {
        Story::committed().txn(1, Kind::Ok, &[commits(5)]).whole(
            2,
            Kind::Ok,
            Function::Committed,
            &[fetched(offset)],
        )
    };
    story(4).has(Class::HalfVisible);
    story(-1).has(Class::HalfVisible);
    story(5).clean();
}

#[test]
fn offsets_of_an_aborted_transaction_are_there() {
    let story = |kind| {
        Story::committed().txn(1, kind, &[commits(5)]).whole(
            2,
            Kind::Ok,
            Function::Committed,
            &[fetched(5)],
        )
    };
    story(Kind::Fail).has(Class::DirtyOffset);
    story(Kind::Info).clean();
}

#[test]
fn input_is_consumed_twice() {
    let story = |kind| {
        let steps = [polled("in", &[(0, 1)]), commits(1)];
        Story::committed()
            .txn(1, kind, &steps)
            .txn(2, Kind::Ok, &steps)
    };
    story(Kind::Ok).has(Class::ConsumedTwice);
    story(Kind::Fail).clean();
}

#[test]
fn input_is_never_consumed() {
    let story = |rows: &[(i64, u64)], end| {
        Story::committed()
            .send(3, &[sent("in", 1, 0)])
            .send(3, &[sent("in", 2, 1)])
            .poll(4, &[polled("in", &[(0, 1), (1, 2)])])
            .txn(1, Kind::Ok, &[polled("in", rows), commits(end)])
    };
    story(&[(0, 1)], 2).has(Class::NeverConsumed);
    story(&[(0, 1)], 1).clean();
    story(&[(0, 1), (1, 2)], 2).clean();
}

#[test]
fn fenced_producer_commits() {
    let story = |kind| {
        Story::committed()
            .init(1)
            .init(2)
            .txn(1, kind, &[commits(1)])
    };
    story(Kind::Ok).has(Class::StaleFence);
    story(Kind::Fail).clean();
    Story::committed()
        .init(1)
        .txn(1, Kind::Ok, &[commits(1)])
        .init(2)
        .clean();
    // It has come back.
    Story::committed()
        .init(1)
        .init(2)
        .init(1)
        .txn(1, Kind::Ok, &[commits(1)])
        .clean();
    // What is empty needs no broker.
    Story::committed()
        .init(1)
        .init(2)
        .txn(1, Kind::Ok, &[])
        .clean();
}

#[test]
fn transaction_from_before_the_fence_is_committed_after_it() {
    let steps = [unknown("k", 1)];
    let story = |kind| {
        Story::committed()
            .init(1)
            .begin(1, Function::Txn, &steps)
            .init(2)
            .prepare(1, &steps)
            .end(1, kind, Function::Txn, &steps)
    };
    story(Kind::Ok).has(Class::StaleFence);
    story(Kind::Info).clean();
    story(Kind::Info)
        .poll(3, &[polled("k", &[(0, 1)])])
        .has(Class::StaleFence);
}

#[test]
fn offsets_of_a_group_go_back() {
    let story = |function, step: Step| {
        Story::default()
            .whole(1, Kind::Ok, Function::Commit, &[commits(5)])
            .whole(2, Kind::Ok, function, &[step])
    };
    story(Function::Commit, commits(4)).has(Class::OffsetWentBack);
    story(Function::Committed, fetched(4)).has(Class::OffsetWentBack);
    story(Function::Commit, commits(6)).clean();
    story(Function::Committed, fetched(5)).clean();
}

#[test]
fn ends_go_back() {
    let story = |end| {
        Story::default()
            .whole(1, Kind::Ok, Function::List, &[Step::End(key("k"), 5)])
            .whole(2, Kind::Ok, Function::List, &[Step::End(key("k"), end)])
    };
    story(4).has(Class::EndWentBack);
    story(5).clean();
}

#[test]
fn recorders_are_checked() {
    Story::default()
        .end(1, Kind::Ok, Function::Send, &[])
        .has(Class::Malformed);
    Story::default()
        .send(1, &[unknown("k", 1)])
        .send(2, &[unknown("k", 1)])
        .has(Class::Malformed);
}

#[test]
fn lines_are_read_as_they_were_written() {
    let story = Story::committed()
        .init(1)
        .txn(1, Kind::Ok, &[sent("k", 1, 0), unknown("k", 2), commits(1)])
        .poll(
            2,
            &[polled("k", &[(0, 1)]), fetched(-1), Step::End(key("k"), 1)],
        )
        .keys(2, Function::Finish, &["k"]);
    let mut lines = Vec::new();
    story.history.write(&mut lines).unwrap();
    assert_eq!(History::read(&lines[..]).unwrap(), story.history);
    // A client that was killed leaves half a line.
    lines.extend_from_slice(b"{\"at\":1,");
    assert_eq!(History::read(&lines[..]).unwrap(), story.history);
    lines.extend_from_slice(b"\n");
    let error = History::read(&lines[..]).unwrap_err();
    assert!(error.to_string().starts_with("line 9 of"), "{error}");
}

#[test]
fn drivers_write_this_form() {
    let line = r#"{"at":7,"process":3,"type":"ok","f":"txn","isolation":"read_committed","transactional_id":"a","steps":[{"send":["t-0",5,null]},{"poll":{"t-1":[[0,1],[2,3]]}},{"commit":["g","t-1",3]}]}"#;
    let history = History::read(format!("{line}\n").as_bytes()).unwrap();
    let event = &history.events()[0];
    assert_eq!(event.steps[0], unknown("t-0", 5));
    assert_eq!(event.steps[1], polled("t-1", &[(0, 1), (2, 3)]));
    let mut lines = Vec::new();
    history.write(&mut lines).unwrap();
    assert_eq!(String::from_utf8(lines).unwrap().trim_end(), line);
}

#[test]
fn long_histories_take_no_recursion() {
    let mut story = Story::default();
    for value in 0..50_000 {
        let offset = i64::try_from(value).unwrap();
        story = story
            .send(1, &[sent("k", value, offset)])
            .poll(2, &[polled("k", &[(offset, value)])]);
    }
    story.clean();
}
