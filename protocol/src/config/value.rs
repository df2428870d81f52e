//! Types of configuration values, and values from and to text.

use std::fmt;

/// Type of a value (`ConfigDef.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text without blanks around it.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Double,
    /// Texts separated by commas; an empty text is the empty list.
    List,
    /// Name of a Java class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Type {
    /// Number of the type in DescribeConfigs (KIP-569).
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// Kafka's name, as its messages have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }

    /// Reads a value of this type.
    ///
    /// # Errors
    /// What is wrong with `text`, without its key.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let number = || format!("Not a number of type {}", self.name());
        match self {
            Self::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Self::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Self::Boolean => Err("Expected value to be either true or false".to_owned()),
            Self::String | Self::Class | Self::Password => Ok(Value::String(text.to_owned())),
            Self::Int => text.parse().map(Value::Int).map_err(|_| number()),
            Self::Short => text.parse().map(Value::Short).map_err(|_| number()),
            Self::Long => text.parse().map(Value::Long).map_err(|_| number()),
            Self::Double => text
                .parse::<f64>()
                .ok()
                .filter(|number| !number.is_nan())
                .map(Value::Double)
                .ok_or_else(number),
            Self::List if text.is_empty() => Ok(Value::List(Vec::new())),
            Self::List => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Ok(Value::List(items.collect()))
            }
        }
    }
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Of [`Type::Boolean`].
    Boolean(bool),
    /// Of [`Type::String`], [`Type::Class`] or [`Type::Password`].
    String(String),
    /// Of [`Type::Int`].
    Int(i32),
    /// Of [`Type::Short`].
    Short(i16),
    /// Of [`Type::Long`].
    Long(i64),
    /// Of [`Type::Double`]; never not-a-number.
    Double(f64),
    /// Of [`Type::List`], in the order of the text.
    List(Vec<String>),
}

impl Value {
    /// The integer in this value, whatever its width.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(i64::from(*number)),
            Self::Short(number) => Some(i64::from(*number)),
            Self::Long(number) => Some(*number),
            _ => None,
        }
    }

    /// The text that a client sees; none for null.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        (*self != Self::Null).then(|| self.to_string())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::String(value) => f.write_str(value),
            Self::Int(value) => value.fmt(f),
            Self::Short(value) => value.fmt(f),
            Self::Long(value) => value.fmt(f),
            Self::Double(value) => f.write_str(&double(*value)),
            Self::List(items) => f.write_str(&items.join(",")),
        }
    }
}

/// A float as `java.lang.Double.toString` writes it, which is what clients compare with.
fn double(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}
