//! UpdateFeatures, and the features of a new cluster.

use milena_protocol::ErrorCode;
use milena_protocol::stored::metadata::{Config, FeatureLevel, MetadataVersion};

use super::{Draft, Operation};
use crate::metadata::{ConfigResource, Error, ResourceKind};

const ELR: &str = "eligible.leader.replicas.version";
const KRAFT: &str = "kraft.version";
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// Which way a feature may go (`FeatureUpdate.UpgradeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeKind {
    /// Up only (1).
    Upgrade,
    /// Down where nothing is lost (2).
    SafeDowngrade,
    /// Down even where something is lost (3).
    UnsafeDowngrade,
    /// A number that Kafka does not have.
    Unknown,
}

impl UpgradeKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Upgrade,
            2 => Self::SafeDowngrade,
            3 => Self::UnsafeDowngrade,
            _ => Self::Unknown,
        }
    }
}

/// One feature to be finalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// Name of the feature.
    pub name: String,
    /// Its level; 0 switches it off.
    pub level: i16,
    /// Which way it may go.
    pub upgrade: UpgradeKind,
}

/// Finalizes levels of features, all or none (KIP-584, KIP-778).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UpdateFeatures {
    /// The features, each once.
    pub updates: Vec<FeatureUpdate>,
    /// True where nothing is to be changed.
    pub validate_only: bool,
}

impl Operation for UpdateFeatures {
    type Response = ();

    fn decide(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        for update in &self.updates {
            self.apply(draft, update).map_err(|error| {
                let message = error.message.unwrap_or_default();
                Error::new(
                    error.code,
                    format!(
                        "The update failed for all features since the following feature had an \
                         error: {message}"
                    ),
                )
            })?;
        }
        if self.validate_only {
            draft.drop_records();
        }
        Ok(())
    }
}

fn invalid<T>(update: &FeatureUpdate, why: impl AsRef<str>) -> Result<T, Error> {
    let FeatureUpdate { name, level, .. } = update;
    let message = format!(
        "Invalid update version {level} for feature {name}. {}",
        why.as_ref()
    );
    Err(Error::new(ErrorCode::InvalidUpdateVersion, message))
}

impl UpdateFeatures {
    /// Level that the feature has when the request was carried out.
    fn proposed(&self, draft: &Draft<'_>, name: &str) -> i16 {
        let update = self.updates.iter().find(|update| update.name == name);
        update.map_or_else(|| current_level(draft, name), |update| update.level)
    }

    fn apply(&self, draft: &mut Draft<'_>, update: &FeatureUpdate) -> Result<(), Error> {
        if update.upgrade == UpgradeKind::Unknown {
            return invalid(
                update,
                "The controller does not support the given upgrade type.",
            );
        }
        let current = current_level(draft, &update.name);
        if update.level < 0 {
            return invalid(update, "A feature version cannot be less than 0.");
        }
        if let Some(reason) = why_unsupported(draft, &update.name, update.level) {
            let FeatureUpdate { name, level, .. } = update;
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            return Err(Error::new(ErrorCode::InvalidUpdateVersion, message));
        }
        if update.level < current && update.upgrade == UpgradeKind::Upgrade {
            return invalid(
                update,
                "Can't downgrade the version of this feature without setting the upgrade type to \
                 either safe or unsafe downgrade.",
            );
        }
        if update.level > current && update.upgrade != UpgradeKind::Upgrade {
            return invalid(update, "Can't downgrade to a newer version.");
        }
        if update.name == MetadataVersion::FEATURE {
            check_metadata_version(update, current)?;
        } else {
            self.check_dependency(draft, update)?;
            if update.name == KRAFT && update.level < current {
                return invalid(update, "Can't downgrade the version of this feature.");
            }
        }
        if update.name == ELR && update.level > 0 && current == 0 {
            agree_on_min_isr(draft);
        }
        draft.push(FeatureLevel {
            name: update.name.clone(),
            feature_level: update.level,
        });
        Ok(())
    }

    fn check_dependency(&self, draft: &Draft<'_>, update: &FeatureUpdate) -> Result<(), Error> {
        let needed = match (update.name.as_str(), update.level) {
            (ELR, 1..) => 23,
            (KRAFT, 1..) => 21,
            _ => return Ok(()),
        };
        if self.proposed(draft, MetadataVersion::FEATURE) >= needed {
            return Ok(());
        }
        let FeatureUpdate { name, level, .. } = update;
        invalid(
            update,
            format!(
                "{name} could not be set to {level} because it depends on metadata.version level \
                 {needed}"
            ),
        )
    }
}

fn current_level(draft: &Draft<'_>, name: &str) -> i16 {
    if name == MetadataVersion::FEATURE {
        return draft.image().metadata_version().0;
    }
    draft.image().feature(name)
}

fn check_metadata_version(update: &FeatureUpdate, current: i16) -> Result<(), Error> {
    let (level, current) = (MetadataVersion(update.level), MetadataVersion(current));
    if level.name().is_none() {
        return invalid(update, "Unknown metadata.version.");
    }
    if level >= current || !level.differs_in_records(current) {
        return Ok(());
    }
    let why = if update.upgrade == UpgradeKind::UnsafeDowngrade {
        "Unsafe metadata downgrade is not supported in this version."
    } else {
        "Refusing to perform the requested downgrade because it might delete metadata information."
    };
    Err(Error::new(
        ErrorCode::InvalidUpdateVersion,
        format!(
            "Unsupported metadata.version downgrade from {} to {}. {why}",
            current.0, level.0
        ),
    ))
}

/// Why some node does not support the level. Level 0 of a feature other than `metadata.version`
/// is supported by who does not know the feature.
fn why_unsupported(draft: &Draft<'_>, name: &str, level: i16) -> Option<String> {
    let why = |who: String, range: Option<(i16, i16)>| {
        let (min, max) = range.unwrap_or((0, 0));
        if (min..=max).contains(&level) {
            return None;
        }
        Some(if (min, max) == (0, 0) {
            format!("{who} does not support this feature.")
        } else {
            format!("{who} only supports versions {min}-{max}")
        })
    };
    let local = draft.config().supported_features.get(name).copied();
    if let Some(reason) = why(
        format!("Local controller {}", draft.config().node_id),
        local,
    ) {
        return Some(reason);
    }
    let image = draft.image();
    // The registration of a broker names no level of features that only controllers have.
    let of_brokers = image
        .brokers()
        .filter(|_| name != KRAFT)
        .find_map(|broker| {
            why(
                format!("Broker {}", broker.id),
                broker.features.get(name).copied(),
            )
        });
    of_brokers.or_else(|| {
        image
            .controllers()
            .filter(|controller| controller.id != draft.config().node_id)
            .find_map(|controller| {
                let range = controller.features.get(name).copied();
                why(format!("Controller {}", controller.id), range)
            })
    })
}

/// Before eligible leader replicas are kept, all brokers have to agree on the minimum of in-sync
/// replicas: that of the cluster is written, those of single brokers are removed (KIP-966).
fn agree_on_min_isr(draft: &mut Draft<'_>) {
    let default = ConfigResource::default_broker();
    if draft
        .image()
        .config(&default, MIN_INSYNC_REPLICAS)
        .is_none()
    {
        let value = draft.config().min_insync_replicas.to_string();
        draft.push(config(&default, Some(value)));
    }
    let of_single_brokers: Vec<_> = draft
        .image()
        .config_resources()
        .filter(|resource| resource.kind == ResourceKind::Broker && !resource.name.is_empty())
        .filter(|resource| {
            draft
                .image()
                .config(resource, MIN_INSYNC_REPLICAS)
                .is_some()
        })
        .cloned()
        .collect();
    for resource in of_single_brokers {
        draft.push(config(&resource, None));
    }
}

fn config(resource: &ConfigResource, value: Option<String>) -> Config {
    Config {
        resource_type: resource.kind.code(),
        resource_name: resource.name.to_string(),
        name: MIN_INSYNC_REPLICAS.to_owned(),
        value,
    }
}

/// Writes the features of a new cluster. It has no effect on a cluster that has features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Features and their levels.
    pub features: Vec<(String, i16)>,
}

impl Default for Bootstrap {
    /// What Kafka 4.3 finalizes when storage is formatted.
    fn default() -> Self {
        let features = [
            (MetadataVersion::FEATURE, MetadataVersion::LATEST.0),
            (ELR, 1),
            ("group.version", 1),
            (KRAFT, 1),
            ("share.version", 1),
            ("streams.version", 1),
            ("transaction.version", 2),
        ];
        Self {
            features: features
                .map(|(name, level)| (name.to_owned(), level))
                .into(),
        }
    }
}

impl Operation for Bootstrap {
    type Response = ();

    fn decide(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        if draft.image().features().next().is_some() {
            return Ok(());
        }
        for (name, level) in &self.features {
            let supported = draft.config().supported_features.get(name);
            if !supported.is_some_and(|&(min, max)| (min..=max).contains(level)) {
                return Err(Error::new(
                    ErrorCode::InvalidUpdateVersion,
                    format!("level {level} of feature {name} is not supported"),
                ));
            }
            if name == ELR && *level > 0 {
                agree_on_min_isr(draft);
            }
            draft.push(FeatureLevel {
                name: name.clone(),
                feature_level: *level,
            });
        }
        Ok(())
    }
}
