//! Rules by the tables of configurations.

use std::collections::BTreeMap;

use milena_protocol::ErrorCode;
use milena_protocol::config::{
    BrokerValues, ConfigDef, Dynamic, Fault, GroupConfig, TopicConfig, Type, broker,
    client_metrics, group, topic,
};

use super::Rules;
use crate::metadata::{ConfigResource, Error, ResourceKind};

/// Rules by the tables of [`milena_protocol::config`], without policies.
#[derive(Clone, Debug)]
pub struct ConfigTables {
    values: BrokerValues,
}

impl ConfigTables {
    /// Rules of a node with these values, which supply the defaults of topics and groups.
    #[must_use]
    pub const fn new(values: BrokerValues) -> Self {
        Self { values }
    }
}

fn table(kind: ResourceKind) -> Option<&'static ConfigDef> {
    match kind {
        ResourceKind::Topic => Some(topic()),
        ResourceKind::Broker => Some(broker()),
        ResourceKind::Group => Some(group()),
        ResourceKind::ClientMetrics => Some(client_metrics()),
        ResourceKind::BrokerLogger => None,
    }
}

/// The key of a listener (`listener.name.NAME.KEY`) or of the broker.
fn plain(key: &str) -> &str {
    key.strip_prefix("listener.name.")
        .and_then(|rest| rest.split_once('.'))
        .map_or(key, |(_, key)| key)
}

/// Kafka refuses values of topics and groups with a code of their own.
fn refusal(kind: ResourceKind, fault: Fault) -> Error {
    let code = match kind {
        ResourceKind::Topic | ResourceKind::Group => ErrorCode::InvalidConfig,
        _ => ErrorCode::InvalidRequest,
    };
    Error::new(code, fault.message)
}

/// Keys that may not be changed like this, as one refusal.
fn refused(keys: &[&str], what: &str) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::InvalidRequest,
        format!("{what}: [{}]", keys.join(", ")),
    ))
}

/// Dynamic configurations of brokers. Keys of plug-ins are not in the table and pass.
fn check_broker(
    resource: &ConfigResource,
    configs: &BTreeMap<String, String>,
    former: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let changed: Vec<(&str, &str)> = configs
        .iter()
        .filter(|(key, value)| former.get(*key) != Some(value))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let with = |dynamic: Dynamic| -> Vec<&str> {
        changed
            .iter()
            .map(|(key, _)| *key)
            .filter(|key| {
                broker()
                    .get(plain(key))
                    .is_some_and(|row| row.dynamic == dynamic)
            })
            .collect()
    };
    refused(
        &with(Dynamic::ReadOnly),
        "Cannot update these configs dynamically",
    )?;
    if resource.name.is_empty() {
        refused(
            &with(Dynamic::PerBroker),
            "Cannot update these configs at default cluster level, broker id must be specified",
        )?;
    }
    for (key, value) in changed {
        let key = plain(key);
        if broker().get(key).is_some() {
            let parsed = broker().parse_value(key, Some(value));
            parsed.map_err(|fault| refusal(ResourceKind::Broker, fault))?;
        }
    }
    Ok(())
}

impl Rules for ConfigTables {
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        let row = table(kind).and_then(|table| table.get(plain(key)));
        row.is_some_and(|row| row.kind == Type::List)
    }

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String> {
        let row = table(kind)?.get(plain(key))?;
        row.default_text().map(str::to_owned)
    }

    fn check_configs(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        former: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let faults = match resource.kind {
            ResourceKind::Topic => TopicConfig::validate(configs, &self.values),
            ResourceKind::Group => GroupConfig::validate(configs, &self.values),
            ResourceKind::ClientMetrics => client_metrics().validate(configs),
            ResourceKind::Broker => return check_broker(resource, configs, former),
            ResourceKind::BrokerLogger => Vec::new(),
        };
        faults
            .into_iter()
            .next()
            .map_or(Ok(()), |fault| Err(refusal(resource.kind, fault)))
    }
}
