//! What the controller asks about configurations: the tables of definitions, under the values of
//! this broker.

use std::collections::BTreeMap;

use milena_cluster::metadata::{self as cluster, ConfigResource, Error, ResourceKind, Rules};
use milena_protocol::config::{
    self, BrokerValues, ConfigDef, Fault, GroupConfig, TopicConfig, Type,
};
use milena_protocol::ErrorCode;

use crate::features;
use crate::options::Options;

/// The rules of the tables.
#[derive(Debug)]
pub(crate) struct ConfigRules {
    values: BrokerValues,
}

impl ConfigRules {
    /// Rules under the values of the configuration file.
    pub(crate) fn new(values: BrokerValues) -> Self {
        Self { values }
    }
}

fn table(kind: ResourceKind) -> Option<&'static ConfigDef> {
    match kind {
        ResourceKind::Topic => Some(config::topic()),
        ResourceKind::Broker => Some(config::broker()),
        ResourceKind::Group => Some(config::group()),
        ResourceKind::ClientMetrics => Some(config::client_metrics()),
        ResourceKind::BrokerLogger => None,
    }
}

impl Rules for ConfigRules {
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        table(kind).and_then(|table| table.get(key)).is_some_and(|key| key.kind == Type::List)
    }

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String> {
        match kind {
            ResourceKind::Topic => TopicConfig::explain(&BTreeMap::new(), &self.values)
                .into_iter()
                .find(|entry| entry.name == key)
                .and_then(|entry| entry.value),
            _ => table(kind)?.get(key)?.default_text().map(str::to_owned),
        }
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
            ResourceKind::ClientMetrics => config::client_metrics().validate(configs),
            ResourceKind::Broker => return self.check_broker(resource, configs, former),
            ResourceKind::BrokerLogger => {
                return Err(Error::new(ErrorCode::InvalidRequest, "loggers have no configurations"));
            }
        };
        refuse(ErrorCode::InvalidConfig, &faults)
    }
}

impl ConfigRules {
    /// Only what may change at run time is taken, and of that what the scope allows.
    fn check_broker(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        former: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let is_default = resource.name.is_empty();
        let is_new = |(key, value): &(&String, &String)| former.get(*key) != Some(*value);
        let changed = configs.iter().filter(is_new);
        let changed = changed.map(|(key, value)| (key.clone(), value.clone())).collect();
        refuse(ErrorCode::InvalidRequest, &config::validate_dynamic(&changed, !is_default))?;
        let values = if is_default {
            self.values.with_dynamic_default(configs.clone())
        } else {
            self.values.with_dynamic_broker(configs.clone())
        };
        refuse(ErrorCode::InvalidRequest, &values.faults())
    }
}

fn refuse(code: ErrorCode, faults: &[Fault]) -> Result<(), Error> {
    if faults.is_empty() {
        return Ok(());
    }
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Err(Error::new(code, messages.join("; ")))
}

/// Settings of the controller on this node.
pub(crate) fn controller_config(options: &Options) -> cluster::Config {
    let values = &options.values;
    let supported = features::SUPPORTED.iter();
    cluster::Config {
        node_id: options.id,
        controllers: vec![options.id],
        num_partitions: values.int("num.partitions").max(1),
        default_replication_factor: i16::try_from(values.int("default.replication.factor"))
            .unwrap_or(1)
            .max(1),
        min_insync_replicas: values.int("min.insync.replicas").max(1),
        unclean_leader_election_enable: values.boolean("unclean.leader.election.enable"),
        broker_session_timeout_ms: values.long("broker.session.timeout.ms"),
        supported_features: supported
            .map(|feature| (feature.name.to_owned(), (feature.min, feature.max)))
            .collect(),
    }
}
