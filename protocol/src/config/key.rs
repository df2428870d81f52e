//! One row of a table of configurations.

use super::validator::Validator;
use super::value::{Type, Value};

/// What a key is when nobody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// It has to be set.
    Required,
    /// Null.
    Null,
    /// This text.
    Text(&'static str),
}

/// How much a key matters to somebody who reads the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it.
    High,
    /// Look at it when tuning.
    Medium,
    /// Rarely.
    Low,
}

/// Whether a broker key can be altered while the broker runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamic {
    /// Only in the static file.
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For all brokers at once, or for one.
    ClusterWide,
}

/// What setting a key does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its documentation says.
    Works,
    /// Nothing, for this reason; a value is accepted with a warning.
    NoEffect(&'static str),
    /// A value other than the default is refused, for this reason: ignoring it would leave a hole.
    Refused(&'static str),
}

/// Definition of one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Kafka's name, or ours where Kafka has no such key.
    pub name: &'static str,
    /// Type of the value.
    pub kind: Type,
    /// What the key is when nobody set it.
    pub default: DefaultValue,
    /// What a value has to fulfil.
    pub validator: Validator,
    /// How much it matters.
    pub importance: Importance,
    /// Whether and where a broker key can be altered.
    pub dynamic: Dynamic,
    /// What setting it does here.
    pub effect: Effect,
    /// Meaning in a sentence or two.
    pub documentation: &'static str,
    /// The broker key that supplies the default of a topic or group key.
    pub synonym: Option<&'static str>,
    /// True for a key that DescribeConfigs shows only where it is set: internal, removed or
    /// belonging to a plug-in.
    pub hidden: bool,
}

impl Key {
    /// The default as a value; null for a required key.
    #[must_use]
    pub fn default_value(&self) -> Value {
        match self.default {
            DefaultValue::Text(text) => self.kind.parse(text).unwrap_or(Value::Null),
            DefaultValue::Null | DefaultValue::Required => Value::Null,
        }
    }

    /// The default as text.
    #[must_use]
    pub const fn default_text(&self) -> Option<&'static str> {
        match self.default {
            DefaultValue::Text(text) => Some(text),
            DefaultValue::Null | DefaultValue::Required => None,
        }
    }

    /// True where the value must not be shown.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.kind == Type::Password
    }
}

/// Makes the rows of a table. A row is
/// `"name" => Type, default, validator, Importance, Dynamic, effect, "documentation";`
/// with an optional `, synonym "broker.key"` or `[hidden]` before the semicolon. The default is a
/// literal, `null` or `required`.
macro_rules! keys {
    ($($name:literal => $kind:ident, $default:tt, $validator:expr, $importance:ident,
       $dynamic:ident, $effect:expr, $documentation:literal
       $(, synonym $synonym:literal)? $([$hidden:ident])? ;)*) => {
        &[$($crate::config::key::Key {
            name: $name,
            kind: $crate::config::value::Type::$kind,
            default: $crate::config::key::keys!(@default $default),
            validator: $validator,
            importance: $crate::config::key::Importance::$importance,
            dynamic: $crate::config::key::Dynamic::$dynamic,
            effect: $effect,
            documentation: $documentation,
            synonym: $crate::config::key::keys!(@synonym $($synonym)?),
            hidden: $crate::config::key::keys!(@hidden $($hidden)?),
        }),*]
    };
    (@default null) => { $crate::config::key::DefaultValue::Null };
    (@default required) => { $crate::config::key::DefaultValue::Required };
    (@default $text:literal) => { $crate::config::key::DefaultValue::Text($text) };
    (@synonym) => { None };
    (@synonym $name:literal) => { Some($name) };
    (@hidden) => { false };
    (@hidden hidden) => { true };
}
pub(super) use keys;
