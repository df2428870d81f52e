//! Rules by the tables of configurations.

use std::collections::BTreeMap;

use milena_protocol::ErrorCode;
use milena_protocol::config::{
    BrokerValues, ConfigDef, Fault, GroupConfig, TopicConfig, Type, broker, client_metrics, group,
    topic, validate_dynamic,
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

/// Kafka refuses values of topics and groups with a code of their own.
fn refusal(kind: ResourceKind, fault: Fault) -> Error {
    let code = match kind {
        ResourceKind::Topic | ResourceKind::Group => ErrorCode::InvalidConfig,
        _ => ErrorCode::InvalidRequest,
    };
    Error::new(code, fault.message)
}

impl ConfigTables {
    /// What changed of a broker has to be dynamic and allowed in its scope, and all together has
    /// to fit. Keys of plug-ins are not in the table and pass.
    fn check_broker(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        former: &BTreeMap<String, String>,
    ) -> Vec<Fault> {
        let is_default = resource.name.is_empty();
        let changed = configs
            .iter()
            .filter(|(key, value)| former.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let faults = validate_dynamic(&changed, !is_default);
        if !faults.is_empty() {
            return faults;
        }
        let values = if is_default {
            self.values.with_dynamic_default(configs.clone())
        } else {
            self.values.with_dynamic_broker(configs.clone())
        };
        values.faults()
    }
}

impl Rules for ConfigTables {
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        let row = table(kind).and_then(|table| table.get(key));
        row.is_some_and(|row| row.kind == Type::List)
    }

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String> {
        let row = table(kind)?.get(key)?;
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
            ResourceKind::Broker => self.check_broker(resource, configs, former),
            ResourceKind::BrokerLogger => Vec::new(),
        };
        faults
            .into_iter()
            .next()
            .map_or(Ok(()), |fault| Err(refusal(resource.kind, fault)))
    }
}
