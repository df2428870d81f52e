//! A table of keys.

use std::collections::BTreeMap;

use super::key::{DefaultValue, Effect, Key};
use super::value::{Type, Value};

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the key.
    pub key: String,
    /// Kafka's sentence, with key, value and what is allowed.
    pub message: String,
}

/// A table of keys: what a component can be told.
#[derive(Debug)]
pub struct ConfigDef {
    /// What the messages call a key, such as `topic config`.
    component: &'static str,
    sections: &'static [&'static [Key]],
}

impl ConfigDef {
    pub(super) const fn new(component: &'static str, sections: &'static [&'static [Key]]) -> Self {
        Self {
            component,
            sections,
        }
    }

    /// Every key, in the order of the table.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.sections.iter().copied().flatten()
    }

    /// Every key, by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<&'static Key> {
        let mut keys: Vec<_> = self.keys().collect();
        keys.sort_unstable_by_key(|key| key.name);
        keys
    }

    /// The key of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Reads and checks one value; null text is the null value.
    ///
    /// # Errors
    /// The key is not in the table, the text is not of its type, or the value is not allowed.
    pub fn parse_value(&self, name: &str, text: Option<&str>) -> Result<Value, Fault> {
        let key = self.get(name).ok_or_else(|| self.unknown(name))?;
        let Some(text) = text else {
            return match key.default {
                DefaultValue::Null => Ok(Value::Null),
                _ => Err(fault(key, "null", "must not be null")),
            };
        };
        let value = key
            .kind
            .parse(text)
            .map_err(|reason| fault(key, text, &reason))?;
        key.validator
            .check(&value)
            .map_err(|reason| fault(key, &value.to_string(), &reason))?;
        if let Effect::Refused(reason) = key.effect
            && value != key.default_value()
        {
            return Err(fault(key, &value.to_string(), reason));
        }
        Ok(value)
    }

    /// Checks every value of a map; all faults, in the order of the keys.
    #[must_use]
    pub fn validate(&self, values: &BTreeMap<String, String>) -> Vec<Fault> {
        values
            .iter()
            .filter_map(|(name, text)| self.parse_value(name, Some(text)).err())
            .collect()
    }

    /// A fault for each required key that `values` does not have.
    #[must_use]
    pub fn missing(&self, values: &BTreeMap<String, String>) -> Vec<Fault> {
        self.keys()
            .filter(|key| key.default == DefaultValue::Required && !values.contains_key(key.name))
            .map(|key| Fault {
                key: key.name.to_owned(),
                message: format!(
                    "Missing required configuration \"{}\" which has no default value.",
                    key.name
                ),
            })
            .collect()
    }

    /// The text after the items of `operand` were added to a list (IncrementalAlterConfigs APPEND).
    /// An item that is there already is not added again. `current` none is the default.
    ///
    /// # Errors
    /// The key is not in the table or is no list.
    pub fn append(
        &self,
        name: &str,
        current: Option<&str>,
        operand: &str,
    ) -> Result<String, Fault> {
        let mut items = self.items(name, current, "APPEND")?;
        for item in split(operand) {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Ok(items.join(","))
    }

    /// The text after the items of `operand` were removed from a list (IncrementalAlterConfigs
    /// SUBTRACT). `current` none is the default.
    ///
    /// # Errors
    /// The key is not in the table or is no list.
    pub fn subtract(
        &self,
        name: &str,
        current: Option<&str>,
        operand: &str,
    ) -> Result<String, Fault> {
        let mut items = self.items(name, current, "SUBTRACT")?;
        let removed = split(operand);
        items.retain(|item| !removed.contains(item));
        Ok(items.join(","))
    }

    fn items(
        &self,
        name: &str,
        current: Option<&str>,
        operation: &str,
    ) -> Result<Vec<String>, Fault> {
        let key = self.get(name).ok_or_else(|| self.unknown(name))?;
        if key.kind != Type::List {
            return Err(Fault {
                key: name.to_owned(),
                message: format!("Can't {operation} to key {name} because its type is not LIST."),
            });
        }
        Ok(split(current.or(key.default_text()).unwrap_or_default()))
    }

    fn unknown(&self, name: &str) -> Fault {
        Fault {
            key: name.to_owned(),
            message: format!("Unknown {} name: {name}", self.component),
        }
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// The fault of one value. What must not be shown is not shown.
pub(super) fn fault(key: &Key, value: &str, reason: &str) -> Fault {
    let shown = if key.is_sensitive() {
        "[hidden]"
    } else {
        value
    };
    Fault {
        key: key.name.to_owned(),
        message: format!(
            "Invalid value {shown} for configuration {}: {reason}",
            key.name
        ),
    }
}
