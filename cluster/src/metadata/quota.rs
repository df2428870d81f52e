//! Client quotas: entities and how they are found.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::stored::metadata::EntityPart;

use super::{Error, Image};

/// What a client quota applies to: each type (`user`, `client-id`, `ip`) with a name, or with
/// none for the default of the type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct QuotaEntity(pub BTreeMap<Arc<str>, Option<Arc<str>>>);

impl QuotaEntity {
    /// Type of a user.
    pub const USER: &'static str = "user";
    /// Type of a client id.
    pub const CLIENT_ID: &'static str = "client-id";
    /// Type of an address.
    pub const IP: &'static str = "ip";

    /// An entity of parts; none for the default of a type.
    #[must_use]
    pub fn of(parts: &[(&str, Option<&str>)]) -> Self {
        Self(
            parts
                .iter()
                .map(|&(kind, name)| (Arc::from(kind), name.map(Arc::from)))
                .collect(),
        )
    }

    /// Name of a type; none within for its default, none where the entity lacks the type.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<Option<&str>> {
        self.0.get(kind).map(Option::as_deref)
    }

    pub(super) fn from_parts(parts: &[EntityPart]) -> Self {
        Self(
            parts
                .iter()
                .map(|part| {
                    let name = part.entity_name.as_deref().map(Arc::from);
                    (Arc::from(part.entity_type.as_str()), name)
                })
                .collect(),
        )
    }

    pub(super) fn to_parts(&self) -> Vec<EntityPart> {
        self.0
            .iter()
            .map(|(kind, name)| EntityPart {
                entity_type: kind.to_string(),
                entity_name: name.as_deref().map(str::to_owned),
            })
            .collect()
    }
}

/// Which names of a type are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This name (match type 0).
    Exact(Arc<str>),
    /// The default of the type (match type 1).
    Default,
    /// Any name and the default (match type 2).
    Any,
}

/// Which entities are looked for (DescribeClientQuotas).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QuotaFilter {
    /// Type of entity and what is looked for of it, each type at most once.
    pub components: Vec<(Arc<str>, Match)>,
    /// True where entities with other types are left out.
    pub strict: bool,
}

impl QuotaFilter {
    fn check(&self) -> Result<(), Error> {
        let mut seen: Vec<&str> = Vec::new();
        for (kind, _) in &self.components {
            let kind = kind.as_ref();
            if kind.is_empty() {
                return Err(Error::new(
                    ErrorCode::InvalidRequest,
                    "Invalid empty entity type.",
                ));
            }
            if seen.contains(&kind) {
                return Err(Error::new(
                    ErrorCode::InvalidRequest,
                    format!("Entity type {kind} cannot appear more than once in the filter."),
                ));
            }
            if ![QuotaEntity::USER, QuotaEntity::CLIENT_ID, QuotaEntity::IP].contains(&kind) {
                return Err(Error::new(
                    ErrorCode::UnsupportedVersion,
                    format!("Unsupported entity type {kind}"),
                ));
            }
            seen.push(kind);
        }
        if seen.contains(&QuotaEntity::IP) && seen.len() > 1 {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "Invalid entity filter component combination. IP filter component should not be \
                 used with user or clientId filter component.",
            ));
        }
        Ok(())
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let all = self.components.iter().all(|(kind, wanted)| {
            entity.get(kind).is_some_and(|name| match wanted {
                Match::Exact(exact) => name == Some(exact.as_ref()),
                Match::Default => name.is_none(),
                Match::Any => true,
            })
        });
        all && (!self.strict || entity.0.len() == self.components.len())
    }
}

/// Quotas of an entity: key and value, ascending by key.
pub type Quotas = Vec<(Arc<str>, f64)>;

impl Image {
    /// Entities with quotas that a filter matches, and their quotas by key, both ascending.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an empty or repeated type, or `ip` together with others;
    /// `UNSUPPORTED_VERSION` for an unknown type.
    pub fn describe_client_quotas(
        &self,
        filter: &QuotaFilter,
    ) -> Result<Vec<(QuotaEntity, Quotas)>, Error> {
        filter.check()?;
        Ok(self
            .client_quotas()
            .filter(|(entity, _)| filter.matches(entity))
            .map(|(entity, quotas)| {
                let quotas = quotas.iter().map(|(key, &value)| (key.clone(), value));
                (entity.clone(), quotas.collect())
            })
            .collect())
    }
}
