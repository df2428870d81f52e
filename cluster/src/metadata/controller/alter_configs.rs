//! IncrementalAlterConfigs and AlterConfigs.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::metadata::{ClearElr, Config};
use milena_protocol::{BrokerId, ErrorCode};

use super::{Draft, Operation, check_topic_name};
use crate::metadata::{ConfigResource, Error, ResourceKind};

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// How a configuration is changed (`AlterConfigOp.OpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Takes the value (0).
    Set,
    /// Is deleted: takes its default (1).
    Delete,
    /// Gets the elements of the value that its list lacks (2).
    Append,
    /// Loses the elements of the value from its list (3).
    Subtract,
}

/// One configuration to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// Key of the configuration.
    pub key: String,
    /// How it is changed.
    pub operation: ConfigOperation,
    /// The value; without meaning where it is deleted.
    pub value: Option<String>,
}

/// Changes of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// The resource.
    pub resource: ConfigResource,
    /// Its changes, each key once.
    pub changes: Vec<ConfigChange>,
}

/// Changes configurations, all or none of a resource (KIP-339).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IncrementalAlterConfigs {
    /// The resources, each once.
    pub resources: Vec<ResourceChange>,
    /// True where nothing is to be changed.
    pub validate_only: bool,
}

/// All configurations of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceConfigs {
    /// The resource.
    pub resource: ConfigResource,
    /// What it is to have; what it has besides is deleted.
    pub configs: Vec<(String, Option<String>)>,
}

/// Replaces all configurations of resources (KIP-133).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AlterConfigs {
    /// The resources, each once.
    pub resources: Vec<ResourceConfigs>,
    /// True where nothing is to be changed.
    pub validate_only: bool,
}

/// What became of a resource of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceResult {
    /// The resource.
    pub resource: ConfigResource,
    /// Why nothing of it was changed.
    pub result: Result<(), Error>,
}

/// Values of a resource by key; none within is a key that is deleted.
type Changes = BTreeMap<String, Option<String>>;

impl Operation for IncrementalAlterConfigs {
    /// One for each resource of the request, in its order.
    type Response = Vec<ResourceResult>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let resources: Vec<_> = self
            .resources
            .iter()
            .map(|change| &change.resource)
            .collect();
        let mut results = Vec::with_capacity(resources.len());
        for (index, change) in self.resources.iter().enumerate() {
            let result = check_resource_once(&resources, index).and_then(|()| {
                let changes = incremental(draft, change)?;
                commit(draft, &change.resource, &changes, &BTreeSet::new())
            });
            results.push(ResourceResult {
                resource: change.resource.clone(),
                result,
            });
        }
        finish(draft, self.validate_only);
        Ok(results)
    }
}

impl Operation for AlterConfigs {
    /// One for each resource of the request, in its order.
    type Response = Vec<ResourceResult>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let resources: Vec<_> = self
            .resources
            .iter()
            .map(|configs| &configs.resource)
            .collect();
        let mut results = Vec::with_capacity(resources.len());
        for (index, configs) in self.resources.iter().enumerate() {
            let result = check_resource_once(&resources, index).and_then(|()| {
                let (changes, deleted) = replacing(draft, configs)?;
                commit(draft, &configs.resource, &changes, &deleted)
            });
            results.push(ResourceResult {
                resource: configs.resource.clone(),
                result,
            });
        }
        finish(draft, self.validate_only);
        Ok(results)
    }
}

fn check_resource_once(resources: &[&ConfigResource], index: usize) -> Result<(), Error> {
    let count = resources
        .iter()
        .filter(|&&other| Some(&other) == resources.get(index))
        .count();
    if count > 1 {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            "Each resource must appear at most once.",
        ));
    }
    Ok(())
}

fn check_keys(keys: &[&str], nulls: &[&str]) -> Result<(), Error> {
    if keys.iter().collect::<BTreeSet<_>>().len() != keys.len() {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            "Error due to duplicate config keys",
        ));
    }
    if !nulls.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("Null value not supported for : {}", nulls.join(", ")),
        ));
    }
    Ok(())
}

fn incremental(draft: &Draft<'_>, change: &ResourceChange) -> Result<Changes, Error> {
    let keys: Vec<_> = change
        .changes
        .iter()
        .map(|change| change.key.as_str())
        .collect();
    let nulls: Vec<_> = change
        .changes
        .iter()
        .filter(|change| change.operation != ConfigOperation::Delete && change.value.is_none())
        .map(|change| change.key.as_str())
        .collect();
    check_keys(&keys, &nulls)?;
    let mut changes = Changes::new();
    for one in &change.changes {
        let current = draft
            .image()
            .config(&change.resource, &one.key)
            .map(|value| value.to_string());
        let given = one.value.clone().unwrap_or_default();
        let value = match one.operation {
            ConfigOperation::Set => Some(given),
            ConfigOperation::Delete => None,
            ConfigOperation::Append | ConfigOperation::Subtract => Some(list(
                draft,
                change.resource.kind,
                one,
                current.clone(),
                &given,
            )?),
        };
        if value != current || change.resource.kind == ResourceKind::Broker {
            // A broker loads files again where a value is set to what it is (KAFKA-14136).
            changes.insert(one.key.clone(), value);
        }
    }
    Ok(changes)
}

fn list(
    draft: &Draft<'_>,
    kind: ResourceKind,
    change: &ConfigChange,
    current: Option<String>,
    given: &str,
) -> Result<String, Error> {
    let is_append = change.operation == ConfigOperation::Append;
    if !draft.rules().is_list(kind, &change.key) {
        let name = if is_append { "APPEND" } else { "SUBTRACT" };
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            format!(
                "Can't {name} to key {} because its type is not LIST.",
                change.key
            ),
        ));
    }
    let current = current.or_else(|| draft.rules().default_value(kind, &change.key));
    let mut elements: Vec<&str> = current
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .filter(|element| !element.is_empty())
        .collect();
    for element in given.split(',') {
        if !is_append {
            if let Some(index) = elements.iter().position(|&other| other == element) {
                elements.remove(index);
            }
        } else if !element.is_empty() && !elements.contains(&element) {
            elements.push(element);
        }
    }
    Ok(elements.join(","))
}

fn replacing(
    draft: &Draft<'_>,
    configs: &ResourceConfigs,
) -> Result<(Changes, BTreeSet<String>), Error> {
    let keys: Vec<_> = configs
        .configs
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let nulls: Vec<_> = configs
        .configs
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(key, _)| key.as_str())
        .collect();
    check_keys(&keys, &nulls)?;
    let current = current(draft, &configs.resource);
    let mut changes = Changes::new();
    for (key, value) in &configs.configs {
        if current.get(key) != value.as_ref() || configs.resource.kind == ResourceKind::Broker {
            changes.insert(key.clone(), value.clone());
        }
    }
    let deleted = current
        .into_keys()
        .filter(|key| !keys.contains(&key.as_str()));
    Ok((changes, deleted.collect()))
}

fn current(draft: &Draft<'_>, resource: &ConfigResource) -> BTreeMap<String, String> {
    let configs = draft.image().configs(resource);
    configs
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// Checks changes of a resource and pushes their records.
fn commit(
    draft: &mut Draft<'_>,
    resource: &ConfigResource,
    changes: &Changes,
    deleted: &BTreeSet<String>,
) -> Result<(), Error> {
    check_name(resource)?;
    let former = current(draft, resource);
    let mut configs = former.clone();
    configs.retain(|key, _| !deleted.contains(key));
    for (key, value) in changes {
        check_min_isr(draft, resource, key, value.is_none())?;
        match value {
            Some(value) => configs.insert(key.clone(), value.clone()),
            None => configs.remove(key),
        };
    }
    for key in deleted {
        check_min_isr(draft, resource, key, true)?;
    }
    draft.rules().check_configs(resource, &configs, &former)?;
    check_exists(draft, resource)?;
    check_policy(draft, resource, changes)?;
    let deletions = deleted.iter().map(|key| (key, &None));
    for (key, value) in changes.iter().chain(deletions) {
        draft.push(Config {
            resource_type: resource.kind.code(),
            resource_name: resource.name.to_string(),
            name: key.clone(),
            value: value.clone(),
        });
        // Replicas below another minimum may lack acknowledged records (KAFKA-16540).
        let is_of_one_broker = resource.kind == ResourceKind::Broker && !resource.name.is_empty();
        if key == MIN_INSYNC_REPLICAS && draft.image().has_elr() && !is_of_one_broker {
            draft.push(ClearElr {
                topic_name: match resource.kind {
                    ResourceKind::Topic => resource.name.to_string(),
                    _ => String::new(),
                },
            });
        }
    }
    Ok(())
}

fn finish(draft: &mut Draft<'_>, validate_only: bool) {
    if validate_only {
        draft.drop_records();
    }
}

fn check_name(resource: &ConfigResource) -> Result<(), Error> {
    let refused = |message: &str| Err(Error::new(ErrorCode::InvalidRequest, message));
    let name = resource.name.as_ref();
    match resource.kind {
        ResourceKind::Topic if name.is_empty() => {
            refused("Default topic resources are not allowed.")
        }
        ResourceKind::Topic => check_topic_name(name),
        ResourceKind::Broker if name.is_empty() => Ok(()),
        ResourceKind::Broker => match name.parse::<i32>() {
            Err(_) => refused("Unable to parse broker name as a base 10 number."),
            Ok(..0) => refused("Invalid negative broker ID."),
            Ok(_) => Ok(()),
        },
        ResourceKind::Group if name.is_empty() => {
            refused("Default group resources are not allowed.")
        }
        ResourceKind::ClientMetrics if name.is_empty() => {
            refused("Subscription name can't be empty")
        }
        ResourceKind::Group | ResourceKind::ClientMetrics => Ok(()),
        ResourceKind::BrokerLogger => refused("Unknown resource type BROKER_LOGGER"),
    }
}

fn check_exists(draft: &Draft<'_>, resource: &ConfigResource) -> Result<(), Error> {
    let name = resource.name.as_ref();
    match resource.kind {
        ResourceKind::Topic if draft.image().topic(name).is_none() => Err(Error::new(
            ErrorCode::UnknownTopicOrPartition,
            format!("The topic '{name}' does not exist."),
        )),
        ResourceKind::Broker if !name.is_empty() => {
            let id = BrokerId(name.parse().unwrap_or(-1));
            if draft.image().broker(id).is_some() || draft.config().controllers.contains(&id) {
                return Ok(());
            }
            Err(Error::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("No node with id {id} found."),
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_policy(
    draft: &Draft<'_>,
    resource: &ConfigResource,
    changes: &Changes,
) -> Result<(), Error> {
    draft
        .rules()
        .check_change(resource, changes)
        .map_err(|message| Error::new(ErrorCode::PolicyViolation, message))
}

/// With eligible leader replicas all brokers must agree on the minimum (KIP-966).
fn check_min_isr(
    draft: &Draft<'_>,
    resource: &ConfigResource,
    key: &str,
    is_deleted: bool,
) -> Result<(), Error> {
    if key != MIN_INSYNC_REPLICAS
        || resource.kind != ResourceKind::Broker
        || !draft.image().has_elr()
    {
        return Ok(());
    }
    if !resource.name.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ));
    }
    if is_deleted {
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ));
    }
    Ok(())
}
