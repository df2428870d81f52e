//! How long each suite may take: `budgets.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use toml::Table;

use crate::setup;

/// The table of budgets, in seconds.
#[derive(Debug)]
pub struct Budgets {
    /// Steps of `make conformance`, which come one after the other.
    pub whole: BTreeMap<String, u64>,
    /// Client and area to what their fixed cases may take.
    pub fixed: BTreeMap<(String, String), u64>,
    /// Client and area to what all their cases may take.
    pub full: BTreeMap<(String, String), u64>,
    /// How long the test with real faults goes on, `fixed` and `full`.
    pub chaos: BTreeMap<String, u64>,
}

impl Budgets {
    /// Reads the table.
    ///
    /// # Errors
    /// The file is missing or not of this shape.
    pub fn read() -> Result<Self> {
        let path = setup::folder().join("budgets.toml");
        let text = fs::read_to_string(path).context("read budgets.toml")?;
        let table: Table = text.parse().context("parse budgets.toml")?;
        let section = |name: &str| {
            let value = table.get(name).and_then(toml::Value::as_table);
            value.with_context(|| format!("no section [{name}]"))
        };
        let plain = |name: &str| {
            let rows = section(name)?.iter();
            rows.map(|(row, value)| Ok((row.clone(), seconds(value)?)))
                .collect::<Result<BTreeMap<_, _>>>()
        };
        Ok(Self {
            whole: plain("whole")?,
            chaos: plain("chaos")?,
            fixed: clients(section("fixed")?)?,
            full: clients(section("full")?)?,
        })
    }

    /// How long the test with real faults goes on.
    ///
    /// # Errors
    /// It has no row.
    pub fn chaos(&self, is_full: bool) -> Result<Duration> {
        let row = if is_full { "full" } else { "fixed" };
        let seconds = self.chaos.get(row);
        let seconds = seconds.with_context(|| format!("no budget for chaos {row}"))?;
        Ok(Duration::from_secs(*seconds))
    }

    /// The limit of one client in one area.
    ///
    /// # Errors
    /// It has no row.
    pub fn limit(&self, client: &str, area: &str, is_full: bool) -> Result<Duration> {
        let rows = if is_full { &self.full } else { &self.fixed };
        let row = rows.get(&(client.to_owned(), area.to_owned()));
        let row = row.with_context(|| format!("no budget for {client} {area}"))?;
        Ok(Duration::from_secs(*row))
    }
}

fn clients(section: &Table) -> Result<BTreeMap<(String, String), u64>> {
    let mut rows = BTreeMap::new();
    for (client, areas) in section {
        for (area, value) in areas.as_table().context("areas of a client")? {
            rows.insert((client.clone(), area.clone()), seconds(value)?);
        }
    }
    Ok(rows)
}

fn seconds(value: &toml::Value) -> Result<u64> {
    let number = value.as_integer().context("a number of seconds")?;
    u64::try_from(number).context("a positive number of seconds")
}
