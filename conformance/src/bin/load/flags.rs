//! Flags: `--name value` in any order, then `--` and the command of a server.

use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};

/// What stands after the command.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pairs: Vec<(String, String)>,
    server: Vec<String>,
}

impl Flags {
    /// Reads the arguments.
    ///
    /// # Errors
    /// A word that is no flag, or a flag without value.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut flags = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.server = words.cloned().collect();
                break;
            }
            let Some(name) = word.strip_prefix("--") else {
                bail!("'{word}' is no flag");
            };
            let value = words
                .next()
                .with_context(|| format!("--{name} needs a value"))?;
            flags.pairs.push((name.to_owned(), value.clone()));
        }
        Ok(flags)
    }

    /// Values of a flag that may be given several times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a flag.
    ///
    /// # Errors
    /// A flag that is missing.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        self.all(name)
            .last()
            .with_context(|| format!("--{name} is missing"))
    }

    /// The value of a flag, or `default`.
    ///
    /// # Errors
    /// A value that does not parse.
    pub(crate) fn or<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.all(name).last() {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| anyhow!("--{name}: '{text}' does not parse")),
        }
    }

    /// What stands after `--`.
    pub(crate) fn server(&self) -> &[String] {
        &self.server
    }
}
