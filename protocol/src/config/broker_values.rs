//! The values of one broker, in layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::broker::{self, companions};
use super::definition::Fault;
use super::explain::{Explained, Source, Synonym};
use super::key::{Dynamic, Effect, Key};
use super::value::Value;

/// The values of one broker: what was altered for this broker, over what was altered for all
/// brokers, over the static file, over the table (KIP-226). An immutable snapshot that is cheap to
/// clone.
///
/// A text that its definition does not allow is skipped, so that the next layer counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerValues {
    static_file: Arc<BTreeMap<String, String>>,
    dynamic_default: Arc<BTreeMap<String, String>>,
    dynamic_broker: Arc<BTreeMap<String, String>>,
}

impl BrokerValues {
    /// The values of a static file (keys and texts), without anything altered.
    #[must_use]
    pub fn new(static_file: BTreeMap<String, String>) -> Self {
        Self {
            static_file: Arc::new(static_file),
            ..Self::default()
        }
    }

    /// The same with these as altered for all brokers.
    #[must_use]
    pub fn with_dynamic_default(&self, values: BTreeMap<String, String>) -> Self {
        Self {
            dynamic_default: Arc::new(values),
            ..self.clone()
        }
    }

    /// The same with these as altered for this broker.
    #[must_use]
    pub fn with_dynamic_broker(&self, values: BTreeMap<String, String>) -> Self {
        Self {
            dynamic_broker: Arc::new(values),
            ..self.clone()
        }
    }

    /// What is wrong with the static file: every value that its key does not allow, and relations
    /// among keys. Keys that are not in the table are not a fault.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, text) in self.static_file.iter() {
            let base = broker::base_name(name);
            if broker::broker().get(base).is_some()
                && let Err(fault) = broker::broker().parse_value(base, Some(text))
            {
                faults.push(Fault {
                    key: name.clone(),
                    ..fault
                });
            }
        }
        faults.extend(broker::relations(self));
        faults
    }

    /// Required keys that nobody set.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        broker::broker().missing(&self.static_file)
    }

    /// A sentence for each key that is set and has no effect here.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.names()
            .into_iter()
            .filter_map(
                |name| match broker::broker().get(broker::base_name(name))?.effect {
                    Effect::NoEffect(reason) => Some(format!("{name} has no effect: {reason}")),
                    Effect::Works | Effect::Refused(_) => None,
                },
            )
            .collect()
    }

    /// Keys that are set and not in the table, by name.
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<&str> {
        let mut names = self.names();
        names.retain(|name| {
            broker::broker().get(broker::base_name(name)).is_none() && !broker::is_plugin_key(name)
        });
        names
    }

    /// The value in force and where it comes from. Null for a key that is not in the table.
    #[must_use]
    pub fn value(&self, name: &str) -> (Value, Source) {
        let Some(key) = broker::broker().get(name) else {
            return (Value::Null, Source::Default);
        };
        for (layer, source) in self.layers() {
            if let Some(text) = layer.get(name)
                && let Ok(value) = broker::broker().parse_value(name, Some(text))
            {
                return (value, source);
            }
        }
        (key.default_value(), Source::Default)
    }

    /// A boolean.
    ///
    /// # Panics
    /// The table has no such key, or it is no boolean: a mistake of the caller, whatever is set.
    #[must_use]
    pub fn boolean(&self, name: &str) -> bool {
        match self.value(name).0 {
            Value::Boolean(value) => value,
            other => panic!("{name} is no boolean but {other:?}"),
        }
    }

    /// An integer of any width that has a default or is required and set.
    ///
    /// # Panics
    /// The table has no such key, it is no integer, or it may be null: use
    /// [`BrokerValues::long_or_none`].
    #[must_use]
    pub fn long(&self, name: &str) -> i64 {
        self.long_or_none(name)
            .unwrap_or_else(|| panic!("{name} is no integer or null"))
    }

    /// An integer of at most 32 bits.
    ///
    /// # Panics
    /// As [`BrokerValues::long`], and where the key is 64 bits wide and the value too large.
    #[must_use]
    pub fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or_else(|_| panic!("{name} is wider than 32 bits"))
    }

    /// An integer of any width; none where it is null.
    #[must_use]
    pub fn long_or_none(&self, name: &str) -> Option<i64> {
        self.value(name).0.integer()
    }

    /// A size or count: a negative one is 0.
    ///
    /// # Panics
    /// As [`BrokerValues::long`].
    #[must_use]
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.long(name).max(0)).unwrap_or(usize::MAX)
    }

    /// A float.
    ///
    /// # Panics
    /// The table has no such key, or it is no float.
    #[must_use]
    pub fn double(&self, name: &str) -> f64 {
        match self.value(name).0 {
            Value::Double(value) => value,
            other => panic!("{name} is no float but {other:?}"),
        }
    }

    /// A text; none where it is null.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<String> {
        match self.value(name).0 {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    /// A list; empty where it is null.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.value(name).0 {
            Value::List(value) => value,
            _ => Vec::new(),
        }
    }

    /// Every key that DescribeConfigs of this broker shows, by name.
    #[must_use]
    pub fn explain(&self) -> Vec<Explained> {
        let mut names = self.names();
        names.extend(
            broker::broker()
                .keys()
                .filter(|key| !key.hidden)
                .map(|key| key.name),
        );
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| self.explain_key(name))
            .collect()
    }

    /// Every key that was altered for all brokers, by name: DescribeConfigs of the broker without a
    /// name.
    #[must_use]
    pub fn explain_default(&self) -> Vec<Explained> {
        let layer = self.dynamic_default.iter();
        layer
            .map(|(name, text)| {
                let key = broker::broker().get(broker::base_name(name));
                let synonym = Synonym {
                    name: name.clone(),
                    value: shown(key, text),
                    source: Source::DynamicDefaultBroker,
                };
                explained(name, key, synonym.value.clone(), vec![synonym])
            })
            .collect()
    }

    fn explain_key(&self, name: &str) -> Explained {
        let base = broker::base_name(name);
        let Some(key) = broker::broker().get(base) else {
            return explained(name, None, None, self.synonyms(&[name]));
        };
        let chain: Vec<&str> = std::iter::once(name)
            .chain(companions(name).iter().map(|(companion, _)| *companion))
            .collect();
        let synonyms = self.synonyms(&chain);
        let value = if name == base {
            self.value(name).0.text()
        } else {
            synonyms.first().and_then(|synonym| synonym.value.clone())
        };
        explained(name, Some(key), value, synonyms)
    }

    /// Every place that has a value for the first of `names`, or for one of the keys that stand in
    /// for it: layer by layer, within a layer in the order of `names`.
    #[must_use]
    pub(super) fn synonyms(&self, names: &[&str]) -> Vec<Synonym> {
        let mut found = Vec::new();
        for (layer, source) in self.layers() {
            for name in names {
                if let Some(text) = layer.get(*name) {
                    found.push(Synonym {
                        name: (*name).to_owned(),
                        value: shown(broker::broker().get(broker::base_name(name)), text),
                        source,
                    });
                }
            }
        }
        for name in names {
            if let Some(key) = broker::broker().get(name)
                && let Some(text) = key.default_text()
            {
                found.push(Synonym {
                    name: (*name).to_owned(),
                    value: shown(Some(key), text),
                    source: Source::Default,
                });
            }
        }
        found
    }

    fn layers(&self) -> [(&BTreeMap<String, String>, Source); 3] {
        [
            (&self.dynamic_broker, Source::DynamicBroker),
            (&self.dynamic_default, Source::DynamicDefaultBroker),
            (&self.static_file, Source::StaticBroker),
        ]
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .layers()
            .into_iter()
            .flat_map(|(layer, _)| layer.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A text as it may be shown. What is not in the table might be a secret of a plug-in.
fn shown(key: Option<&Key>, text: &str) -> Option<String> {
    key.is_some_and(|key| !key.is_sensitive())
        .then(|| text.to_owned())
}

fn explained(
    name: &str,
    key: Option<&'static Key>,
    value: Option<String>,
    synonyms: Vec<Synonym>,
) -> Explained {
    let sensitive = key.is_none_or(Key::is_sensitive);
    Explained {
        name: name.to_owned(),
        value: value.filter(|_| !sensitive),
        source: synonyms
            .first()
            .map_or(Source::Default, |synonym| synonym.source),
        read_only: key.is_none_or(|key| key.dynamic == Dynamic::ReadOnly),
        sensitive,
        kind: key.map(|key| key.kind),
        documentation: key.map_or("", |key| key.documentation),
        synonyms,
    }
}
