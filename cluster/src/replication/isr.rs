//! In-sync replicas: those the controller has committed, and a change that it was asked for
//! (KIP-497).

use milena_protocol::{BrokerEpoch, BrokerId, LeaderEpoch, Offset};

/// A change of the ISR that the leader asks the controller for (AlterPartition).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartition {
    /// Epoch of the leader that asks.
    pub leader_epoch: LeaderEpoch,
    /// Partition epoch that the change starts from.
    pub partition_epoch: i32,
    /// The wanted in-sync replicas with the registrations that the leader has seen, by id.
    pub isr: Vec<(BrokerId, BrokerEpoch)>,
}

/// State that the controller has committed in answer to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Partition epoch.
    pub partition_epoch: i32,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
}

/// What follows from the controller's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterOutcome {
    /// The change is committed.
    Applied {
        /// The high watermark, where it moved.
        high_watermark: Option<Offset>,
    },
    /// The answer is older than what is known; nothing was changed.
    Ignored,
    /// The change will not happen; the ISR is the committed one again.
    RolledBack {
        /// The high watermark, where it moved.
        high_watermark: Option<Offset>,
    },
    /// The change may or may not have happened; newer metadata will tell. Nothing is asked before.
    Waits,
    /// To be asked again, after a pause.
    Retry(AlterPartition),
}

/// The in-sync replicas as a leader sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Isr {
    /// By id.
    committed: Vec<BrokerId>,
    pending: Option<Pending>,
}

#[derive(Clone, Debug)]
struct Pending {
    asked: AlterPartition,
    /// Who is to join; none for those who are to leave.
    joins: Option<BrokerId>,
}

impl Isr {
    pub(super) fn new(mut committed: Vec<BrokerId>) -> Self {
        committed.sort_unstable();
        committed.dedup();
        Self {
            committed,
            pending: None,
        }
    }

    /// The committed in-sync replicas, by id.
    pub(super) fn committed(&self) -> &[BrokerId] {
        &self.committed
    }

    /// True where the high watermark waits for this replica: it is in the committed ISR, or was
    /// asked to join. Those who are asked to leave still count.
    pub(super) fn is_maximal(&self, replica: BrokerId) -> bool {
        self.committed.contains(&replica)
            || self
                .pending
                .as_ref()
                .is_some_and(|pending| pending.joins == Some(replica))
    }

    /// How many replicas the high watermark waits for.
    pub(super) fn maximal_count(&self) -> usize {
        let joins = self.pending.as_ref().and_then(|pending| pending.joins);
        self.committed.len() + usize::from(joins.is_some())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    pub(super) fn asked(&self) -> Option<&AlterPartition> {
        self.pending.as_ref().map(|pending| &pending.asked)
    }

    pub(super) fn ask(&mut self, asked: AlterPartition, joins: Option<BrokerId>) {
        assert!(self.pending.is_none(), "one change at a time: {asked:?}");
        if let Some(joins) = joins {
            assert!(
                !self.committed.contains(&joins),
                "replica {joins} joins an ISR that has it"
            );
        }
        self.pending = Some(Pending { asked, joins });
    }

    pub(super) fn roll_back(&mut self) {
        self.pending = None;
    }

    /// The replicas that the high watermark waits for contain the committed ones, and are the same
    /// where nothing is pending (invariant I4, its local part).
    pub(super) fn check_invariants(&self) {
        assert!(
            self.committed.is_sorted_by(|one, other| one < other),
            "the ISR {:?} is sorted and has no repetition",
            self.committed
        );
        assert!(self.committed.len() <= self.maximal_count());
        if self.pending.is_none() {
            assert!(self.committed.len() == self.maximal_count());
        }
    }
}
