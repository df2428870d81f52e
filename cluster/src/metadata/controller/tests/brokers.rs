use super::*;

#[test]
fn a_registration_is_checked() {
    let mut harness = Harness::new(2);
    let good = harness.registration(3, 50);
    let check = |harness: &mut Harness, edit: &dyn Fn(&mut RegisterBroker), code| {
        let mut request = good.clone();
        edit(&mut request);
        assert_eq!(harness.refused(&request), code);
    };
    let h = &mut harness;
    check(
        h,
        &|r| r.cluster_id = "other".into(),
        ErrorCode::InconsistentClusterId,
    );
    let invalid = ErrorCode::InvalidRegistration;
    check(h, &|r| r.log_dirs.clear(), invalid);
    check(h, &|r| r.log_dirs.push(Uuid::from_u128(2)), invalid);
    check(h, &|r| r.log_dirs.push(r.log_dirs[0]), invalid);
    check(h, &|r| r.log_dirs.push(directory_of(2, 0)), invalid);
    check(h, &|r| r.features.clear(), ErrorCode::UnsupportedVersion);
    assert_eq!(harness.ok(&good), None);
    let broker = harness.image.broker(id(3)).unwrap();
    assert!(broker.fenced);
    assert_eq!(broker.epoch.0, harness.image.position().offset.0);
}

#[test]
fn the_same_incarnation_amends_its_registration() {
    let mut harness = Harness::new(1);
    let epoch = harness.epoch(1);
    let incarnation = harness.image.broker(id(1)).unwrap().incarnation_id;
    let mut request = harness.registration(1, 0);
    request.incarnation_id = incarnation;
    request.rack = Some("r".into());
    assert_eq!(harness.ok(&request), Some(epoch));
    let broker = harness.image.broker(id(1)).unwrap();
    assert!(broker.is_active() && broker.epoch == epoch);
    assert_eq!(broker.rack.as_deref(), Some("r"));
}

#[test]
fn a_successor_registers_at_once_and_a_stranger_waits() {
    let mut harness = Harness::new(1);
    let first = harness.epoch(1);
    let mut stranger = harness.registration(1, 60);
    stranger.log_dirs = vec![directory_of(1, 9)];
    assert_eq!(
        harness.refused(&stranger),
        ErrorCode::DuplicateBrokerRegistration
    );
    // It has a directory of the former process, which is therefore gone.
    let successor = harness.registration(1, 61);
    assert_eq!(harness.ok(&successor), None);
    assert!(first < harness.epoch(1));
    harness.unfence(1);
    harness.now = harness.now.plus_ms(SESSION_MS);
    assert_eq!(harness.ok(&stranger), None);
}

#[test]
fn a_broker_is_unfenced_once_it_has_its_registration() {
    let mut harness = Harness::new(1);
    harness.register(2);
    let mut beat = harness.heartbeat(2);
    beat.current_metadata_offset = Offset(beat.current_metadata_offset.0 - 1);
    let behind = harness.beat(&beat);
    assert!(!behind.is_caught_up && behind.is_fenced && !behind.should_shut_down);
    let mut wants_fence = harness.heartbeat(2);
    wants_fence.want_fence = true;
    assert!(harness.beat(&wants_fence).is_fenced);
    let response = harness.unfence(2);
    assert!(response.is_caught_up && !response.is_fenced);
    assert!(harness.image.is_active(id(2)));
    assert!(harness.beat(&wants_fence).is_fenced);
    assert!(!harness.image.is_active(id(2)));
    let mut stale = harness.heartbeat(2);
    stale.broker_epoch = BrokerEpoch(0);
    assert_eq!(harness.refused(&stale), ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_controlled_shutdown_moves_leaders_first() {
    let mut harness = Harness::new(2);
    harness.create("t", &[&[1, 2]]);
    let mut beat = harness.heartbeat(1);
    beat.want_shut_down = true;
    let response = harness.beat(&beat);
    assert!(response.in_controlled_shutdown && !response.should_shut_down);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
    // Broker 2 has not seen that yet.
    assert!(!harness.beat(&beat).should_shut_down);
    harness.unfence(2);
    let response = harness.beat(&beat);
    assert!(response.should_shut_down && response.is_fenced);
    assert!(harness.image.broker(id(1)).unwrap().fenced);
    assert!(harness.beat(&beat).should_shut_down);
}

#[test]
fn a_single_broker_stops_and_leads_again() {
    for elr in [false, true] {
        let mut harness = if elr {
            Harness::with_elr(1, 1)
        } else {
            Harness::new(1)
        };
        harness.create("t", &[&[1]]);
        let mut beat = harness.heartbeat(1);
        beat.want_shut_down = true;
        let response = harness.beat(&beat);
        assert!(response.in_controlled_shutdown);
        assert_eq!(harness.state().0, None);
        assert!(harness.beat(&beat).should_shut_down);
        let mut again = harness.registration(1, 70);
        again.previous_broker_epoch = harness.epoch(1);
        harness.ok(&again);
        harness.unfence(1);
        assert_eq!(harness.state(), (Some(1), vec![1], vec![]), "elr {elr}");
        let partition = harness.partition("t", 0);
        assert_eq!(
            partition.recovery,
            crate::metadata::RecoveryState::Recovered
        );
        assert!(partition.last_known_elr.is_empty());
        harness.check_replay();
    }
}

#[test]
fn a_single_broker_leads_again_after_a_crash() {
    for elr in [false, true] {
        let mut harness = if elr {
            Harness::with_elr(1, 1)
        } else {
            Harness::new(1)
        };
        harness.create("t", &[&[1]]);
        let epoch = harness.partition("t", 0).leader_epoch;
        harness.register(1);
        assert_eq!(harness.state().0, None);
        harness.unfence(1);
        assert_eq!(harness.state(), (Some(1), vec![1], vec![]), "elr {elr}");
        assert!(epoch < harness.partition("t", 0).leader_epoch);
    }
}

#[test]
fn silent_brokers_are_fenced_one_by_one() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2, 3]]);
    assert_eq!(
        harness.controller.stale_broker(&harness.image, harness.now),
        None
    );
    harness.now = harness.now.plus_ms(SESSION_MS);
    harness.unfence(3);
    for expected in [1, 2] {
        let stale = harness.controller.stale_broker(&harness.image, harness.now);
        assert_eq!(stale, Some(id(expected)));
        harness.fence(expected);
    }
    assert_eq!(
        harness.controller.stale_broker(&harness.image, harness.now),
        None
    );
    assert_eq!(harness.state(), (Some(3), vec![3], vec![]));
    // A new controller knows nobody and gives everyone a session.
    let mut next = Controller::new(Config::default(), Harness::tables());
    assert_eq!(next.stale_broker(&harness.image, harness.now), Some(id(3)));
    next.activate(&harness.image, harness.now);
    assert_eq!(next.stale_broker(&harness.image, harness.now), None);
    assert_eq!(
        harness.refused(&FenceBroker { broker_id: id(9) }),
        ErrorCode::BrokerIdNotRegistered
    );
}

#[test]
fn a_failed_directory_takes_its_replicas_down() {
    let mut harness = Harness::new(1);
    let mut request = harness.registration(2, 80);
    request.log_dirs.push(directory_of(2, 1));
    harness.ok(&request);
    harness.unfence(2);
    let topic = harness.create("t", &[&[2, 1]]);
    assert_eq!(
        harness.partition("t", 0).directories[0],
        crate::metadata::directory::UNASSIGNED
    );
    let assign = AssignReplicasToDirs {
        broker_id: id(2),
        broker_epoch: harness.epoch(2),
        assignments: vec![DirectoryAssignment {
            directory: directory_of(2, 1),
            topic_id: topic,
            partition: PartitionIndex(0),
        }],
    };
    harness.ok(&assign);
    assert_eq!(harness.state().0, Some(2));
    let mut beat = harness.heartbeat(2);
    beat.offline_log_dirs = vec![directory_of(2, 1), directory_of(9, 9)];
    harness.beat(&beat);
    assert_eq!(harness.state(), (Some(1), vec![1], vec![]));
    assert_eq!(
        harness.image.broker(id(2)).unwrap().log_dirs,
        [directory_of(2, 0)]
    );
    let before = harness.log.len();
    harness.beat(&beat);
    assert_eq!(harness.log.len(), before, "known already");
}

#[test]
fn cordoned_brokers_take_no_new_replicas() {
    let mut harness = Harness::new(2);
    let mut beat = harness.heartbeat(2);
    beat.cordoned_log_dirs = Some(vec![directory_of(2, 0)]);
    harness.beat(&beat);
    let before = harness.log.len();
    harness.beat(&beat);
    assert_eq!(harness.log.len(), before);
    let topic = harness.new_topic("t", 4, 1);
    harness.create_with(topic).unwrap();
    assert!(
        harness
            .image
            .partitions()
            .all(|(_, _, partition)| partition.replicas == ids(&[1]))
    );
}

#[test]
fn an_unregistered_broker_is_nowhere_in_sync() {
    for elr in [false, true] {
        let mut harness = if elr {
            Harness::with_elr(3, 3)
        } else {
            Harness::new(3)
        };
        harness.create("t", &[&[1, 2, 3]]);
        harness.fence(2);
        harness.ok(&UnregisterBroker { broker_id: id(1) });
        harness.ok(&UnregisterBroker { broker_id: id(2) });
        assert_eq!(harness.state(), (Some(3), vec![3], vec![]), "elr {elr}");
        let request = UnregisterBroker { broker_id: id(1) };
        assert_eq!(harness.refused(&request), ErrorCode::BrokerIdNotRegistered);
        harness.check_replay();
    }
}

#[test]
fn a_stopping_broker_that_is_unfenced_leads_nothing_until_it_registers_anew() {
    let mut harness = Harness::new(1);
    harness.create("t", &[&[1]]);
    let mut beat = harness.heartbeat(1);
    beat.want_shut_down = true;
    assert!(harness.beat(&beat).in_controlled_shutdown);
    harness.fence(1);
    assert!(!harness.unfence(1).is_fenced);
    assert_eq!(harness.state(), (None, vec![1], vec![]));
    harness.register(1);
    harness.unfence(1);
    assert_eq!(harness.state().0, Some(1));
}
