//! Producer ids that the cluster gives.

use super::*;

/// A coordinator with ids "a" and "b", whose effects are looked at one by one.
struct Bare {
    coordinator: Coordinator,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl Bare {
    fn new(states: &[(&str, TransactionMetadata)]) -> Self {
        let mut coordinator = Coordinator::new(config(), 1);
        for (id, metadata) in states {
            coordinator.apply(Record::Transaction {
                transactional_id: (*id).to_owned(),
                metadata: Some(metadata.clone()),
            });
        }
        let (mut effects, now) = (Vec::new(), Timestamp(1_000));
        coordinator.finish_loading(now, &mut effects);
        Self {
            coordinator,
            effects,
            now,
        }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.coordinator.step(self.now, event, &mut self.effects);
        self.coordinator.check_invariants();
        std::mem::take(&mut self.effects)
    }

    fn init(&mut self, id: &str, waiter: u64) -> Vec<Effect> {
        self.step(Event::Request {
            waiter: Waiter(waiter),
            request: Request::Init(InitProducerId {
                transactional_id: id.to_owned(),
                ..init()
            }),
        })
    }
}

fn appended(effects: &[Effect]) -> (String, ProducerId, ProducerId) {
    let [Effect::Append { records, .. }] = effects else {
        panic!("{effects:?}");
    };
    let Record::Transaction {
        transactional_id,
        metadata: Some(metadata),
    } = &records[0]
    else {
        panic!("{records:?}");
    };
    (
        transactional_id.clone(),
        metadata.producer_id,
        metadata.next_producer_id,
    )
}

#[test]
fn two_transactional_ids_never_share_a_producer_id() {
    let mut bare = Bare::new(&[]);
    assert_eq!(bare.init("a", 1), [Effect::NewProducerId]);
    assert_eq!(bare.init("b", 2), [Effect::NewProducerId]);
    let first = bare.step(Event::ProducerId(Ok(ProducerId(7))));
    assert_eq!(
        appended(&first),
        ("a".to_owned(), ProducerId(7), ProducerId::NONE)
    );
    let second = bare.step(Event::ProducerId(Ok(ProducerId(8))));
    assert_eq!(
        appended(&second),
        ("b".to_owned(), ProducerId(8), ProducerId::NONE)
    );
}

#[test]
fn an_id_that_is_not_needed_any_more_serves_the_next_who_needs_one() {
    let mut bare = Bare::new(&[]);
    bare.init("a", 1);
    bare.init("a", 2);
    let first = bare.step(Event::ProducerId(Ok(ProducerId(7))));
    assert_eq!(appended(&first).1, ProducerId(7));
    // The second request of "a" waits for the append of the first, and its id is kept.
    assert_eq!(bare.step(Event::ProducerId(Ok(ProducerId(8)))), []);
    assert_eq!(appended(&bare.init("b", 3)).1, ProducerId(8));
}

#[test]
fn a_refused_id_is_told_to_who_waits_for_it() {
    let mut bare = Bare::new(&[]);
    bare.init("a", 1);
    let error = ErrorCode::CoordinatorNotAvailable;
    let effects = bare.step(Event::ProducerId(Err(error)));
    let response = Response::Init(Initialized::refused(error));
    let waiter = Waiter(1);
    assert_eq!(effects, [Effect::Reply { waiter, response }]);
    assert!(bare.coordinator.transaction("a").is_none());
}

/// The last epoch and the timeout at once: the abort waits for an id, and asks for one at a time.
#[test]
fn an_abort_that_needs_an_id_asks_until_it_gets_one() {
    let mut bare = Bare::new(&[("a", metadata(State::Ongoing, i16::MAX - 1))]);
    bare.now = bare.now.plus_ms(60_000);
    assert_eq!(bare.step(Event::Tick), [Effect::NewProducerId]);
    bare.now = bare.now.plus_ms(config().retry_ms);
    assert_eq!(bare.step(Event::Tick), [], "one is on its way");
    let refused = ErrorCode::CoordinatorNotAvailable;
    assert_eq!(bare.step(Event::ProducerId(Err(refused))), []);
    bare.now = bare.now.plus_ms(config().retry_ms);
    assert_eq!(bare.step(Event::Tick), [Effect::NewProducerId]);
    assert_eq!(bare.step(Event::ProducerId(Ok(ProducerId(9)))), []);
    bare.now = bare.now.plus_ms(config().retry_ms);
    let (_, id, next) = appended(&bare.step(Event::Tick));
    assert_eq!((id, next), (ProducerId(10), ProducerId(9)));
}
