//! Quotas.

use crate::config::broker::{CLASS, ONE};
use crate::config::key::Effect::{NoEffect, Refused, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

pub(super) const KEYS: &[Key] = keys! {
    "quota.window.num" => Int, "11", AtLeast(1), Low, ReadOnly, Works,
        "Samples that a client quota remembers.";
    "quota.window.size.seconds" => Int, "1", AtLeast(1), Low, ReadOnly, Works,
        "Length of a sample of a client quota, in seconds.";
    "controller.quota.window.num" => Int, "11", AtLeast(1), Low, ReadOnly, Works,
        "Samples that a quota of topic changes remembers.";
    "controller.quota.window.size.seconds" => Int, "1", AtLeast(1), Low, ReadOnly, Works,
        "Length of a sample of a quota of topic changes, in seconds.";
    "replication.quota.window.num" => Int, "11", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Samples that a replication quota remembers.";
    "replication.quota.window.size.seconds" => Int, "1", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Length of a sample of a replication quota, in seconds.";
    "alter.log.dirs.replication.quota.window.num" => Int, "11", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Samples that the quota of moves between directories remembers.";
    "alter.log.dirs.replication.quota.window.size.seconds" => Int, "1", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Length of a sample of the quota of moves between directories, in seconds.";
    "client.quota.callback.class" => Class, null, Any, Low, ReadOnly, Refused(CLASS),
        "Class that decides about client quotas.";
};
