//! AlterClientQuotas.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::stored::metadata::ClientQuota;

use super::{Draft, Operation};
use crate::metadata::{Error, QuotaEntity};

/// One quota to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaChange {
    /// Key of the quota.
    pub key: String,
    /// Its value; none where it is removed.
    pub value: Option<f64>,
}

/// Changes of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaAlteration {
    /// Type and name of each part of the entity, each type once; no name for the default.
    pub entity: Vec<(String, Option<String>)>,
    /// Its changes, each key once.
    pub changes: Vec<QuotaChange>,
}

/// Changes client quotas, all or none of an entity (KIP-546).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct AlterClientQuotas {
    /// The entities, each once.
    pub entries: Vec<QuotaAlteration>,
    /// True where nothing is to be changed.
    pub validate_only: bool,
}

/// What became of an entity of the request.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaResult {
    /// The entity as it was given.
    pub entity: Vec<(String, Option<String>)>,
    /// Why nothing of it was changed.
    pub result: Result<(), Error>,
}

/// Kind of number that a quota is.
#[derive(Clone, Copy, PartialEq)]
enum Number {
    Integer(f64),
    Any,
}

const I64_LIMIT: f64 = 9_223_372_036_854_775_807.0;

const USER_AND_CLIENT: &[(&str, Number)] = &[
    ("producer_byte_rate", Number::Integer(I64_LIMIT)),
    ("consumer_byte_rate", Number::Integer(I64_LIMIT)),
    ("request_percentage", Number::Any),
    ("controller_mutation_rate", Number::Any),
];

const IP: &[(&str, Number)] = &[("connection_creation_rate", Number::Integer(2_147_483_647.0))];

fn refused<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorCode::InvalidRequest, message))
}

impl Operation for AlterClientQuotas {
    /// One for each entry of the request, in its order.
    type Response = Vec<QuotaResult>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let mut seen = BTreeSet::new();
        let mut results = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let result = alter(draft, entry, &mut seen);
            results.push(QuotaResult {
                entity: entry.entity.clone(),
                result,
            });
        }
        if self.validate_only {
            draft.drop_records();
        }
        Ok(results)
    }
}

fn alter(
    draft: &mut Draft<'_>,
    entry: &QuotaAlteration,
    seen: &mut BTreeSet<QuotaEntity>,
) -> Result<(), Error> {
    let entity = checked_entity(&entry.entity)?;
    if !seen.insert(entity.clone()) {
        return refused(format!("Ignoring duplicate entity {}", described(&entity)));
    }
    let mut changes: BTreeMap<&str, Option<f64>> = BTreeMap::new();
    for change in &entry.changes {
        if changes.insert(&change.key, change.value).is_some() {
            return refused(format!(
                "Duplicate quota key {} not updating quota for this entity {}",
                change.key,
                described(&entity)
            ));
        }
    }
    let keys = keys_of(&entity)?;
    let current = draft
        .image()
        .client_quota(&entity)
        .cloned()
        .unwrap_or_default();
    let mut records = Vec::new();
    for (key, value) in changes {
        let record = |value: f64, remove| ClientQuota {
            entity: entity.to_parts(),
            key: key.to_owned(),
            value,
            remove,
        };
        match value {
            None if current.contains_key(key) => records.push(record(0.0, true)),
            None => {}
            Some(value) => {
                check_value(keys, key, value)?;
                if current.get(key) != Some(&value) {
                    records.push(record(value, false));
                }
            }
        }
    }
    for record in records {
        draft.push(record);
    }
    Ok(())
}

fn described(entity: &QuotaEntity) -> String {
    let parts = entity.0.iter().map(|(kind, name)| match name {
        Some(name) => format!("{kind}={name}"),
        None => format!("{kind}=<default>"),
    });
    format!(
        "ClientQuotaEntity({})",
        parts.collect::<Vec<_>>().join(", ")
    )
}

fn checked_entity(parts: &[(String, Option<String>)]) -> Result<QuotaEntity, Error> {
    let mut entity = BTreeMap::new();
    for (kind, name) in parts {
        if ![QuotaEntity::USER, QuotaEntity::CLIENT_ID, QuotaEntity::IP].contains(&kind.as_str()) {
            return refused(format!("Unhandled client quota entity type: {kind}"));
        }
        if name.as_ref().is_some_and(String::is_empty) {
            return refused(format!("Empty {kind} not supported"));
        }
        let name = name.as_deref().map(Arc::<str>::from);
        if entity
            .insert(Arc::<str>::from(kind.as_str()), name)
            .is_some()
        {
            return refused(format!(
                "Invalid client quota entity, duplicate entity entry {kind}"
            ));
        }
    }
    if entity.is_empty() {
        return refused("Invalid empty client quota entity");
    }
    Ok(QuotaEntity(entity))
}

fn keys_of(entity: &QuotaEntity) -> Result<&'static [(&'static str, Number)], Error> {
    let Some(address) = entity.get(QuotaEntity::IP) else {
        return Ok(USER_AND_CLIENT);
    };
    if entity.0.len() > 1 {
        return refused(
            "Invalid quota entity combination, IP entity should not be combined with User or \
             ClientId",
        );
    }
    match address {
        Some(address) if !is_address(address) => {
            refused(format!("{address} is not a valid IP or resolvable host."))
        }
        _ => Ok(IP),
    }
}

/// An address or a host name. Names are not resolved here: that would be I/O.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || (text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
            && text.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

fn check_value(keys: &[(&str, Number)], key: &str, value: f64) -> Result<(), Error> {
    let Some((_, number)) = keys.iter().find(|(name, _)| *name == key) else {
        return refused(format!("Invalid configuration key {key}"));
    };
    if value.is_nan() || value <= 0.0 {
        return refused(format!("Quota {key} must be greater than 0"));
    }
    let &Number::Integer(max) = number else {
        return Ok(());
    };
    if value > max {
        let kind = if max == I64_LIMIT { "a LONG" } else { "an INT" };
        return refused(format!("Proposed value for {key} is too large for {kind}."));
    }
    if (value % 1.0).abs() > 1e-6 {
        return refused(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}
