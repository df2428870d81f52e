//! Records of transactions of the metadata log (KIP-868) and records without effect.

use super::field::structure;

structure! {
    /// Nothing; written so that the log advances.
    NoOp, bytes_min 1 {} tagged {}
}

structure! {
    /// State of the migration from ZooKeeper: 0 none, 1 migration, 2 before, 3 after.
    ZkMigrationState, bytes_min 2 {
        /// The state.
        zk_migration_state: i8 = 0, since 0;
    } tagged {}
}

structure! {
    /// The records up to the end or abort take effect together or not at all.
    BeginTransaction, bytes_min 1 {} tagged {
        /// What the transaction is for.
        0 name: Option<String> = None, since 0;
    }
}

structure! {
    /// The transaction takes effect.
    EndTransaction, bytes_min 1 {} tagged {}
}

structure! {
    /// The transaction has no effect.
    AbortTransaction, bytes_min 1 {} tagged {
        /// Why it was aborted.
        0 reason: Option<String> = None, since 0;
    }
}
