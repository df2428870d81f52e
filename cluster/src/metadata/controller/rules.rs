//! What the controller asks about configurations and policies.

use std::collections::BTreeMap;

use milena_protocol::BrokerId;

use crate::metadata::{ConfigResource, Error, ResourceKind};

/// A topic as it would be created.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicPlan<'a> {
    /// Name of the topic.
    pub name: &'a str,
    /// Replicas of each partition, in the order of the indexes.
    pub assignments: &'a [Vec<BrokerId>],
    /// True where the request gave the assignments.
    pub is_manual: bool,
    /// Configurations of the request.
    pub configs: &'a BTreeMap<String, String>,
}

/// What the controller asks about configurations and policies.
pub trait Rules: Send + Sync {
    /// True where the key has a list, which can be appended to.
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool;

    /// Default of a key; none where it has none.
    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String>;

    /// Checks all dynamic configurations of a resource as they would be, knowing those it has.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for unknown keys and values that are not valid.
    fn check_configs(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        former: &BTreeMap<String, String>,
    ) -> Result<(), Error>;

    /// The policy for new topics (`create.topic.policy.class.name`).
    ///
    /// # Errors
    /// Why the topic may not be created; it becomes `POLICY_VIOLATION`.
    fn check_topic(&self, topic: &TopicPlan<'_>) -> Result<(), String> {
        let _ = topic;
        Ok(())
    }

    /// The policy for changed configurations (`alter.config.policy.class.name`); none within is a
    /// key that is deleted.
    ///
    /// # Errors
    /// Why the change may not be made; it becomes `POLICY_VIOLATION`.
    fn check_change(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<(), String> {
        let _ = (resource, changes);
        Ok(())
    }
}

/// Accepts every configuration; has no list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl Rules for Unchecked {
    fn is_list(&self, _kind: ResourceKind, _key: &str) -> bool {
        false
    }

    fn default_value(&self, _kind: ResourceKind, _key: &str) -> Option<String> {
        None
    }

    fn check_configs(
        &self,
        _resource: &ConfigResource,
        _configs: &BTreeMap<String, String>,
        _former: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        Ok(())
    }
}
