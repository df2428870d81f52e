use proptest::prelude::*;

use super::*;
use crate::metadata::Delta;

#[derive(Clone, Debug)]
enum Step {
    Create {
        topic: u8,
        partitions: i32,
        replicas: i16,
        seed: u64,
    },
    Delete {
        topic: u8,
    },
    More {
        topic: u8,
        count: i32,
        seed: u64,
    },
    Configure {
        topic: u8,
        min_isr: i32,
    },
    ConfigureAll {
        min_isr: i32,
        unclean: bool,
    },
    Register {
        broker: i32,
        clean: bool,
    },
    Beat {
        broker: i32,
        fence: bool,
        shut_down: bool,
    },
    Fence {
        broker: i32,
    },
    Unregister {
        broker: i32,
    },
    Elect {
        unclean: bool,
    },
    Balance,
    Isr {
        topic: u8,
        mask: u8,
    },
    Reassign {
        topic: u8,
        mask: u8,
        rotate: usize,
    },
    Cancel {
        topic: u8,
    },
    FailDirectory {
        broker: i32,
    },
    Quota {
        user: u8,
        rate: Option<u16>,
    },
    ProducerIds {
        broker: i32,
    },
    Later {
        ms: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (topic, broker) = (0..3u8, 1..5i32);
    prop_oneof![
        (topic.clone(), 1..4i32, 1..4i16, any::<u64>()).prop_map(
            |(topic, partitions, replicas, seed)| Step::Create {
                topic,
                partitions,
                replicas,
                seed
            }
        ),
        topic.clone().prop_map(|topic| Step::Delete { topic }),
        (topic.clone(), 1..6i32, any::<u64>()).prop_map(|(topic, count, seed)| Step::More {
            topic,
            count,
            seed
        }),
        (topic.clone(), 1..4i32).prop_map(|(topic, min_isr)| Step::Configure { topic, min_isr }),
        (1..4i32, any::<bool>())
            .prop_map(|(min_isr, unclean)| Step::ConfigureAll { min_isr, unclean }),
        (broker.clone(), any::<bool>())
            .prop_map(|(broker, clean)| Step::Register { broker, clean }),
        (
            broker.clone(),
            proptest::bool::weighted(0.2),
            proptest::bool::weighted(0.2)
        )
            .prop_map(|(broker, fence, shut_down)| Step::Beat {
                broker,
                fence,
                shut_down
            }),
        broker.clone().prop_map(|broker| Step::Fence { broker }),
        broker
            .clone()
            .prop_map(|broker| Step::Unregister { broker }),
        any::<bool>().prop_map(|unclean| Step::Elect { unclean }),
        Just(Step::Balance),
        (topic.clone(), any::<u8>()).prop_map(|(topic, mask)| Step::Isr { topic, mask }),
        (topic.clone(), any::<u8>(), 0..4usize).prop_map(|(topic, mask, rotate)| Step::Reassign {
            topic,
            mask,
            rotate
        }),
        topic.prop_map(|topic| Step::Cancel { topic }),
        broker
            .clone()
            .prop_map(|broker| Step::FailDirectory { broker }),
        (0..3u8, proptest::option::of(0..3u16)).prop_map(|(user, rate)| Step::Quota { user, rate }),
        broker.prop_map(|broker| Step::ProducerIds { broker }),
        (0..10_000i64).prop_map(|ms| Step::Later { ms }),
    ]
}

fn name(topic: u8) -> String {
    format!("topic.{topic}")
}

fn chosen(mask: u8, rotate: usize) -> Vec<BrokerId> {
    let mut brokers: Vec<_> = (1..5)
        .filter(|broker| mask & (1 << broker) != 0)
        .map(BrokerId)
        .collect();
    let count = brokers.len().max(1);
    brokers.rotate_left(rotate % count);
    brokers
}

impl Harness {
    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Create {
                topic,
                partitions,
                replicas,
                seed,
            } => {
                let topic = self.new_topic(&name(topic), partitions, replicas);
                self.attempt(&CreateTopics {
                    topics: vec![topic],
                    validate_only: false,
                    seed,
                });
            }
            Step::Delete { topic } => {
                self.attempt(&DeleteTopics {
                    topics: vec![TopicReference::Name(name(topic))],
                });
            }
            Step::More { topic, count, seed } => self.attempt(&CreatePartitions {
                topics: vec![MorePartitions {
                    topic: name(topic),
                    count,
                    assignments: None,
                }],
                validate_only: false,
                seed,
            }),
            Step::Isr { topic, mask } => self.step_isr(&name(topic), mask),
            Step::Reassign {
                topic,
                mask,
                rotate,
            } => {
                self.reassign(topic, Some(chosen(mask, rotate)));
            }
            Step::Cancel { topic } => self.reassign(topic, None),
            Step::Later { ms } => {
                self.now = self.now.plus_ms(ms);
                while let Some(broker_id) = self.controller.stale_broker(&self.image, self.now) {
                    self.ok(&FenceBroker { broker_id });
                }
            }
            other => self.step_setting(&other),
        }
    }

    fn step_setting(&mut self, step: &Step) {
        match step.clone() {
            Step::Configure { topic, min_isr } => {
                let value = min_isr.to_string();
                let _ = self.configure(
                    ConfigResource::topic(name(topic)),
                    &[("min.insync.replicas", &value)],
                );
            }
            Step::ConfigureAll { min_isr, unclean } => {
                let (min_isr, unclean) = (min_isr.to_string(), unclean.to_string());
                let _ = self.configure(
                    ConfigResource::default_broker(),
                    &[
                        ("min.insync.replicas", &min_isr),
                        ("unclean.leader.election.enable", &unclean),
                    ],
                );
            }
            Step::Elect { unclean } => {
                let kind = if unclean {
                    ElectionKind::Unclean
                } else {
                    ElectionKind::Preferred
                };
                self.attempt(&ElectLeaders {
                    kind,
                    partitions: None,
                });
            }
            Step::Balance => {
                self.attempt(&BalanceLeaders { elections_max: 2 });
                self.attempt(&ElectUncleanLeaders { elections_max: 2 });
            }
            Step::Quota { user, rate } => self.attempt(&AlterClientQuotas {
                entries: vec![QuotaAlteration {
                    entity: vec![("user".into(), (user > 0).then(|| user.to_string()))],
                    changes: vec![QuotaChange {
                        key: "request_percentage".into(),
                        value: rate.map(f64::from),
                    }],
                }],
                validate_only: false,
            }),
            broker => self.step_broker(&broker),
        }
    }

    fn step_broker(&mut self, step: &Step) {
        let (&Step::Register { broker, .. }
        | &Step::Beat { broker, .. }
        | &Step::Fence { broker }
        | &Step::Unregister { broker }
        | &Step::FailDirectory { broker }
        | &Step::ProducerIds { broker }) = step
        else {
            return;
        };
        let known = self.image.broker(id(broker)).cloned();
        match (step, known) {
            (Step::Register { clean, .. }, known) => {
                let incarnation = u128::try_from(self.log.len()).unwrap() + 1000;
                let mut request = self.registration(broker, incarnation);
                request.log_dirs.push(directory_of(broker, 1));
                if let (true, Some(known)) = (clean, known) {
                    request.previous_broker_epoch = known.epoch;
                }
                self.attempt(&request);
            }
            (Step::Fence { .. }, _) => self.attempt(&FenceBroker {
                broker_id: id(broker),
            }),
            (Step::Unregister { .. }, _) => self.attempt(&UnregisterBroker {
                broker_id: id(broker),
            }),
            (_, None) => {}
            (Step::ProducerIds { .. }, Some(known)) => self.attempt(&AllocateProducerIds {
                broker_id: id(broker),
                broker_epoch: known.epoch,
            }),
            (
                Step::Beat {
                    fence, shut_down, ..
                },
                _,
            ) => {
                let mut beat = self.heartbeat(broker);
                (beat.want_fence, beat.want_shut_down) = (*fence, *shut_down);
                self.beat(&beat);
            }
            _ => {
                let mut beat = self.heartbeat(broker);
                beat.offline_log_dirs = vec![directory_of(broker, 1)];
                self.beat(&beat);
            }
        }
    }

    fn step_isr(&mut self, topic: &str, mask: u8) {
        let Some(partition) = self.image.partition(topic, PartitionIndex(0)) else {
            return;
        };
        let Some(leader) = partition.leader else {
            return;
        };
        let mut isr = vec![leader.0];
        isr.extend(
            partition
                .replicas
                .iter()
                .map(|replica| replica.0)
                .filter(|&replica| replica != leader.0 && mask & (1 << replica) != 0),
        );
        let mut change = self.isr_change(topic, &isr);
        change.recovery = crate::metadata::RecoveryState::Recovered;
        let _ = self.alter_isr(leader.0, change);
    }

    fn reassign(&mut self, topic: u8, replicas: Option<Vec<BrokerId>>) {
        self.attempt(&AlterPartitionReassignments {
            partitions: vec![Reassignment {
                topic: name(topic),
                partition: PartitionIndex(0),
                replicas,
            }],
            allow_replication_factor_change: true,
        });
    }

    /// Whether it is accepted does not matter here: `run` checks what was written.
    fn attempt<O: Operation>(&mut self, request: &O)
    where
        O::Response: PartialEq + Debug,
    {
        let before = self.image.clone();
        let _ = self.run(request);
        let delta = Delta::between(&before, &self.image);
        assert_eq!(delta.is_empty(), before == self.image, "{delta:?}");
    }

    /// A leader epoch never goes back, and every leader is active.
    fn check_progress(&self, before: &Image) {
        for (topic, index, partition) in self.image.partitions() {
            if let Some(leader) = partition.leader {
                assert!(
                    self.image.is_active(leader),
                    "{}-{index} led by {leader}",
                    topic.name
                );
            }
            let former = before
                .topic_by_id(topic.id)
                .and_then(|topic| topic.partition(index));
            let Some(former) = former else {
                continue;
            };
            assert!(former.leader_epoch <= partition.leader_epoch);
            assert!(former.partition_epoch <= partition.partition_epoch);
            if former.leader != partition.leader {
                assert!(
                    former.leader_epoch < partition.leader_epoch,
                    "{}-{index}",
                    topic.name
                );
            }
            if former != partition.as_ref() {
                assert!(former.partition_epoch < partition.partition_epoch);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_requests_keep_the_invariants_and_replay(
        elr in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut harness = if elr { Harness::with_elr(3, 2) } else { Harness::new(3) };
        for step in &steps {
            let before = harness.image.clone();
            harness.step(step);
            harness.check_progress(&before);
        }
        harness.check_replay();
    }
}
