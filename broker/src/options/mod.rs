//! What a broker is started with: Kafka's keys, read and checked as a whole.

pub(crate) mod limits;
pub(crate) mod listeners;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use milena_log::storage::{DiskStorage, Storage};
use milena_protocol::BrokerId;
use milena_protocol::config::{BrokerValues, Fault};

pub(crate) use self::listeners::Endpoint;

/// For whom the broker runs. It decides defaults only; every key can be set in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `milena dev`: one process for one developer. The data directory is made where it is missing,
    /// internal topics have one replica, groups form without delay, features are raised at start.
    Dev,
    /// `milena server`: Kafka's defaults; the directories were made by `milena format`.
    Server,
}

/// What a configuration says to no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// Keys that nobody knows, by name: they are misspelt, or of another program.
    pub unknown_keys: Vec<String>,
    /// Keys of Kafka that have no effect here, by name; `docs/configs.md` says why.
    pub keys_without_effect: Vec<String>,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// For whom the broker runs.
    pub(crate) mode: Mode,
    /// `node.id`.
    pub(crate) id: BrokerId,
    /// The values as they were given, and their meaning.
    pub(crate) values: BrokerValues,
    /// `log.dirs`, in order, without duplicates.
    pub(crate) log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, or the first of `log.dirs`.
    pub(crate) metadata_dir: PathBuf,
    /// The listeners that are bound.
    pub(crate) listeners: Vec<Endpoint>,
    /// What clients of each listener are told, by the name of the listener.
    pub(crate) advertised: Vec<Endpoint>,
    /// True where a directory of Apache Kafka is taken over although it was not cleanly stopped or
    /// belonged to a quorum of several.
    pub(crate) forces_import: bool,
    /// Where the log directories are.
    pub(crate) storage: Arc<dyn Storage>,
}

const ROLES: &[&str] = &["broker", "controller"];

impl Options {
    /// Reads Kafka's keys. Returns the options and what is worth a warning.
    ///
    /// # Errors
    /// Every fault at once, with its key and what is allowed.
    pub fn from_values(
        mut values: BTreeMap<String, String>,
        mode: Mode,
    ) -> Result<(Self, Warnings), Vec<Fault>> {
        for (key, value) in defaults(mode) {
            values
                .entry((*key).to_owned())
                .or_insert_with(|| (*value).to_owned());
        }
        let config = BrokerValues::new(values.clone());
        let mut faults = config.faults();
        let id = node_id(&config, &values, &mut faults);
        check_roles(&config, mode, &mut faults);
        let log_dirs = log_dirs(&config);
        let metadata_dir = config.string("metadata.log.dir").map(PathBuf::from);
        let (listeners, advertised) = endpoints(&config, &values, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let warnings = warnings(&config);
        let options = Self {
            mode,
            id,
            metadata_dir: metadata_dir
                .or_else(|| log_dirs.first().cloned())
                .unwrap_or_else(|| PathBuf::from(DATA)),
            values: config,
            log_dirs,
            listeners,
            advertised,
            forces_import: false,
            storage: Arc::new(DiskStorage::new()),
        };
        Ok((options, warnings))
    }

    /// `log.dirs`, in order, without duplicates.
    #[must_use]
    pub fn log_dirs(&self) -> &[PathBuf] {
        &self.log_dirs
    }

    /// Takes a directory of Apache Kafka over also where it was not cleanly stopped or belonged to a
    /// quorum of several.
    #[must_use]
    pub fn forcing_import(mut self) -> Self {
        self.forces_import = true;
        self
    }

    /// Reaches the partitions of the log directories through `storage`, which must show the file
    /// system of this machine: tests let single directories fail with it.
    #[must_use]
    pub fn with_storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = storage;
        self
    }
}

/// Where data goes unless a key says so.
const DATA: &str = "milena-data";

/// Values that stand where the user gives none, beside Kafka's defaults.
const fn defaults(mode: Mode) -> &'static [(&'static str, &'static str)] {
    match mode {
        Mode::Dev => &[
            ("node.id", "1"),
            ("log.dirs", DATA),
            ("listeners", "PLAINTEXT://localhost:9092"),
            ("offsets.topic.replication.factor", "1"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
        ],
        Mode::Server => &[("log.dirs", DATA)],
    }
}

fn fault(key: &str, message: String) -> Fault {
    Fault {
        key: key.to_owned(),
        message,
    }
}

/// `node.id`, or its old name `broker.id`.
fn node_id(
    config: &BrokerValues,
    values: &BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) -> BrokerId {
    let is_given = |key: &str| values.contains_key(key);
    let key = if is_given("node.id") {
        "node.id"
    } else {
        "broker.id"
    };
    if !is_given(key) {
        faults.push(fault(
            "node.id",
            "node.id is missing: expected a number from 0 up".to_owned(),
        ));
        return BrokerId::NONE;
    }
    // A value that was refused has been said already, and cannot be read.
    if faults.iter().any(|fault| fault.key == key) {
        return BrokerId::NONE;
    }
    let id = config.int(key);
    if id < 0 {
        faults.push(fault(
            key,
            format!("{key} is {id}: expected a number from 0 up"),
        ));
    }
    BrokerId(id)
}

fn warnings(config: &BrokerValues) -> Warnings {
    // The sentences of the table begin with the key.
    let key = |sentence: String| sentence.split(' ').next().unwrap_or_default().to_owned();
    Warnings {
        unknown_keys: config
            .unknown_keys()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        keys_without_effect: config.warnings().into_iter().map(key).collect(),
    }
}

fn check_roles(config: &BrokerValues, mode: Mode, faults: &mut Vec<Fault>) {
    let roles = config.list("process.roles");
    let is_refused = faults.iter().any(|fault| fault.key == "process.roles");
    if mode == Mode::Server && roles.is_empty() && !is_refused {
        faults.push(fault(
            "process.roles",
            "process.roles is missing: expected broker,controller".to_owned(),
        ));
    }
    if let Some(unknown) = roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
        faults.push(fault(
            "process.roles",
            format!("process.roles has '{unknown}': expected broker, controller or both"),
        ));
    } else if !roles.is_empty() && roles.len() < ROLES.len() {
        faults.push(fault(
            "process.roles",
            "process.roles must name both broker and controller: clusters of several nodes are not \
             served yet"
                .to_owned(),
        ));
    }
    for key in [
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
    ] {
        let voters = config.list(key);
        if voters.len() > 1 {
            let count = voters.len();
            faults.push(fault(
                key,
                format!(
                    "{key} names {count} controllers: clusters of several nodes are not served yet"
                ),
            ));
        }
    }
}

fn log_dirs(config: &BrokerValues) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let listed = config.list("log.dirs");
    let single = config.string("log.dir");
    let given = if listed.is_empty() {
        single.into_iter().collect()
    } else {
        listed
    };
    for path in given.into_iter().map(PathBuf::from) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The listeners to bind and what is told about them.
fn endpoints(
    config: &BrokerValues,
    values: &BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) -> (Vec<Endpoint>, Vec<Endpoint>) {
    let text = |key: &str| config.list(key).join(",");
    let mut messages = Vec::new();
    let all = listeners::parse("listeners", &text("listeners"), &mut messages);
    let controllers: Vec<String> = config
        .list("controller.listener.names")
        .iter()
        .map(|name| name.to_ascii_uppercase())
        .collect();
    // Nothing outside this process talks to the controller of a single node.
    let is_client = |endpoint: &Endpoint| !controllers.contains(&endpoint.name);
    let listeners: Vec<_> = all.into_iter().filter(is_client).collect();
    let given = values
        .get("advertised.listeners")
        .is_some_and(|text| !text.trim().is_empty());
    let mut advertised = if given {
        listeners::parse(
            "advertised.listeners",
            &text("advertised.listeners"),
            &mut messages,
        )
    } else {
        Vec::new()
    };
    advertised.retain(is_client);
    for message in messages {
        let key = message.split(':').next().unwrap_or("listeners").to_owned();
        faults.push(Fault { key, message });
    }
    if listeners.is_empty() && faults.is_empty() {
        faults.push(fault(
            "listeners",
            "listeners has none for clients".to_owned(),
        ));
    }
    check_advertised(&listeners, &advertised, given, faults);
    check_protocols(config, &listeners, faults);
    (listeners, advertised)
}

fn check_advertised(
    listeners: &[Endpoint],
    advertised: &[Endpoint],
    given: bool,
    faults: &mut Vec<Fault>,
) {
    for endpoint in advertised {
        if !listeners
            .iter()
            .any(|listener| listener.name == endpoint.name)
        {
            faults.push(fault(
                "advertised.listeners",
                format!(
                    "advertised.listeners has {}, which is not in listeners",
                    endpoint.name
                ),
            ));
        }
        if endpoint.is_wildcard() {
            faults.push(fault(
                "advertised.listeners",
                format!(
                    "advertised.listeners has '{}', which is no address that a client can reach",
                    endpoint.host
                ),
            ));
        }
    }
    if given {
        return;
    }
    // An empty host is advertised as the name of the machine, as Kafka does.
    for endpoint in listeners
        .iter()
        .filter(|endpoint| endpoint.is_wildcard() && !endpoint.host.is_empty())
    {
        faults.push(fault(
            "advertised.listeners",
            format!(
                "listeners has {}://{}:{}, so advertised.listeners must say which address clients \
                 reach, such as {}://HOST:{}",
                endpoint.name, endpoint.host, endpoint.port, endpoint.name, endpoint.port
            ),
        ));
    }
}

/// Every listener must be plaintext: nothing else is served.
fn check_protocols(config: &BrokerValues, listeners: &[Endpoint], faults: &mut Vec<Fault>) {
    let map = config
        .string("listener.security.protocol.map")
        .unwrap_or_default();
    let mapped = protocols(&map, faults);
    for listener in listeners {
        let protocol = mapped
            .get(&listener.name)
            .map_or(listener.name.as_str(), String::as_str);
        match protocol {
            "PLAINTEXT" => {}
            _ if PROTOCOLS.contains(&protocol) => faults.push(fault(
                "listener.security.protocol.map",
                format!(
                    "listener {} has protocol {protocol}: only PLAINTEXT is served yet",
                    listener.name
                ),
            )),
            _ => faults.push(fault(
                "listener.security.protocol.map",
                format!(
                    "listener {} has no protocol: expected an entry such as {}:PLAINTEXT",
                    listener.name, listener.name
                ),
            )),
        }
    }
}

/// Kafka's security protocols.
const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Protocols by the names of listeners, both upper case.
fn protocols(map: &str, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut mapped = BTreeMap::new();
    let entries = map.split(',').map(str::trim);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let pair = entry.rsplit_once(':').map(|(name, protocol)| {
            let (name, protocol) = (name.trim(), protocol.trim());
            (name.to_ascii_uppercase(), protocol.to_ascii_uppercase())
        });
        match pair {
            Some((name, protocol))
                if !name.is_empty() && PROTOCOLS.contains(&protocol.as_str()) =>
            {
                mapped.insert(name, protocol);
            }
            _ => faults.push(fault(
                "listener.security.protocol.map",
                format!(
                    "listener.security.protocol.map has '{entry}': expected NAME:PROTOCOL, the \
                     protocol one of {}",
                    PROTOCOLS.join(", ")
                ),
            )),
        }
    }
    mapped
}

#[cfg(test)]
mod tests;
