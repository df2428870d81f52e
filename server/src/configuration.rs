//! The settings of a start: defaults, then the file, then the environment, then the command line;
//! each layer counts over the one before. Each value knows where it is from, so that a fault says
//! where to mend it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use milena_protocol::config::Fault;

use crate::{environment, properties};

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said it.
    Default,
    /// The configuration file, by its path.
    File(String),
    /// An environment variable, by its name.
    Environment(String),
    /// `-X` of the command line.
    CommandLine,
    /// A flag of the command line, by its name.
    Flag(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    value: String,
    origin: Origin,
}

/// Settings by Kafka's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    settings: BTreeMap<String, Setting>,
}

impl Settings {
    /// Sets a value over whatever stood there.
    pub(crate) fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let value = value.into().trim().to_owned();
        self.settings.insert(key.into(), Setting { value, origin });
    }

    /// Adds the values of a file: TOML where its name ends in `.toml`, else Java properties.
    ///
    /// # Errors
    /// A file that cannot be read, or is not in its format.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<()> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        let values = if is_toml {
            flatten_toml(&text)
        } else {
            properties::parse(&text)
        };
        for (key, value) in values.with_context(|| format!("read {shown}"))? {
            self.set(key, value, Origin::File(shown.clone()));
        }
        Ok(())
    }

    /// Adds what the environment says.
    pub(crate) fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) {
        for (key, found) in environment::values(variables) {
            self.set(key, found.value, Origin::Environment(found.variable));
        }
    }

    /// Adds the values of `-X key=value`.
    pub(crate) fn add_command_line<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = &'a (String, String)>,
    ) {
        for (key, value) in pairs {
            self.set(key, value, Origin::CommandLine);
        }
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(|setting| setting.value.as_str())
    }

    /// Takes the value of `key` out where it is from the environment.
    pub(crate) fn drop_environment(&mut self, key: &str) {
        self.settings.retain(|name, setting| {
            name != key || !matches!(setting.origin, Origin::Environment(_))
        });
    }

    /// The way to change `key`: a flag, or the key and where it stands.
    pub(crate) fn describe_origin(&self, key: &str) -> String {
        match self.settings.get(key).map(|setting| &setting.origin) {
            Some(Origin::Flag(name)) => (*name).to_owned(),
            Some(origin) => match describe(origin) {
                Some(place) => format!("{key} ({place})"),
                None => key.to_owned(),
            },
            None => key.to_owned(),
        }
    }

    /// Takes the value of `key` out, for keys that this program acts upon by itself.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        self.settings.remove(key).map(|setting| setting.value)
    }

    /// The values alone.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.settings
            .iter()
            .map(|(key, setting)| (key.clone(), setting.value.clone()))
            .collect()
    }

    /// All faults of a configuration as one error, a line each.
    pub(crate) fn describe_faults(&self, faults: &[Fault]) -> anyhow::Error {
        let describe = |fault: &Fault| self.describe_fault(&fault.key, &fault.message);
        let lines: Vec<_> = faults.iter().map(describe).collect();
        anyhow!("the configuration is wrong:\n  {}", lines.join("\n  "))
    }

    /// A fault of a key as one line that says where the value is from.
    pub(crate) fn describe_fault(&self, key: &str, message: &str) -> String {
        let fault = if key.is_empty() || message.starts_with(key) {
            message.to_owned()
        } else {
            format!("{key}: {message}")
        };
        let origin = self.settings.get(key).map(|setting| &setting.origin);
        match origin.and_then(describe) {
            Some(place) => format!("{fault} ({place})"),
            None => fault,
        }
    }
}

/// Where a value is from; none where nobody said it.
fn describe(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Default => None,
        Origin::File(path) => Some(format!("in {path}")),
        Origin::Environment(variable) => Some(format!("in the variable {variable}")),
        Origin::CommandLine => Some("on the command line".to_owned()),
        Origin::Flag(name) => Some(format!("of {name}")),
    }
}

/// Values of nested tables by dotted keys; the elements of an array are joined by commas.
fn flatten_toml(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = toml::from_str(text)?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        flatten(key, value, &mut values)?;
    }
    Ok(values)
}

fn flatten(key: String, value: toml::Value, values: &mut BTreeMap<String, String>) -> Result<()> {
    let text = match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(format!("{key}.{name}"), value, values)?;
            }
            return Ok(());
        }
        toml::Value::Array(elements) => elements
            .into_iter()
            .map(|element| scalar(&key, element))
            .collect::<Result<Vec<_>>>()?
            .join(","),
        other => scalar(&key, other)?,
    };
    if values.contains_key(&key) {
        bail!("{key} stands twice");
    }
    values.insert(key, text);
    Ok(())
}

fn scalar(key: &str, value: toml::Value) -> Result<String> {
    Ok(match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        other => bail!(
            "{key}: a {} is no value of a configuration",
            other.type_str()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(flatten_toml(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn tables_of_toml_become_dotted_keys() {
        check("durability = 'replicated'", &[("durability", "replicated")]);
        check(
            "[log.segment]\nbytes = 1024",
            &[("log.segment.bytes", "1024")],
        );
        check("log.retention.hours = -1", &[("log.retention.hours", "-1")]);
        check("\"log.dirs\" = ['a', 'b']", &[("log.dirs", "a,b")]);
        check(
            "[log]\npreallocate = true\n[log.cleaner]\nx = 0.5",
            &[("log.preallocate", "true"), ("log.cleaner.x", "0.5")],
        );
    }

    #[test]
    fn toml_that_says_no_value_is_refused() {
        for text in [
            "a = 1979-05-27",
            "a = [[1]]",
            "a = {}\na = 1",
            "'a.b' = 1\n[a]\nb = 2",
            "a =",
        ] {
            assert!(flatten_toml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn later_layers_count_over_earlier_ones() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.properties");
        fs::write(&file, "a=file\nb=file\nc=file \n").unwrap();
        let mut settings = Settings::default();
        settings.set("d", "default", Origin::Default);
        settings.set("a", "default", Origin::Default);
        settings.add_file(&file).unwrap();
        settings.add_environment([
            ("KAFKA_B".to_owned(), "environment".to_owned()),
            ("MILENA_A".to_owned(), "environment".to_owned()),
        ]);
        settings.add_command_line(&[("a".to_owned(), "flag".to_owned())]);
        let found: Vec<_> = settings
            .values()
            .into_iter()
            .map(|(key, value)| key + "=" + &value)
            .collect();
        assert_eq!(found, ["a=flag", "b=environment", "c=file", "d=default"]);
        assert_eq!(
            settings.describe_fault("a", "wrong"),
            "a: wrong (on the command line)"
        );
        assert_eq!(
            settings.describe_fault("b", "wrong"),
            "b: wrong (in the variable KAFKA_B)"
        );
        assert_eq!(
            settings.describe_fault("c", "wrong"),
            format!("c: wrong (in {})", file.display())
        );
        assert_eq!(settings.describe_fault("d", "wrong"), "d: wrong");
        assert_eq!(settings.describe_fault("x", "x is unknown"), "x is unknown");
    }

    #[test]
    fn missing_files_are_named() {
        let error = Settings::default().add_file(Path::new("/nonexistent/server.properties"));
        assert_eq!(
            error.unwrap_err().to_string(),
            "read /nonexistent/server.properties"
        );
    }
}
