//! Features that this broker serves, and the levels a new cluster starts with (KIP-584).

use milena_cluster::metadata::{Bootstrap, FeatureUpdate, Image, UpdateFeatures, UpgradeKind};
use milena_protocol::stored::metadata::FeatureRange;

/// One feature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    /// Kafka's name.
    pub(crate) name: &'static str,
    /// Lowest level that is served.
    pub(crate) min: i16,
    /// Highest level that is served.
    pub(crate) max: i16,
    /// Level of a new cluster.
    pub(crate) initial: i16,
}

/// All of them. A feature comes with the APIs that it promises; those of streams groups and of share
/// groups are not served.
pub(crate) const SUPPORTED: &[Feature] = &[
    Feature {
        name: "eligible.leader.replicas.version",
        min: 0,
        max: 1,
        initial: 1,
    },
    // Groups of the consumer protocol (KIP-848).
    Feature {
        name: "group.version",
        min: 0,
        max: 1,
        initial: 1,
    },
    Feature {
        name: "metadata.version",
        min: 7,
        max: 30,
        initial: 30,
    },
    // Transactions whose producers get a new epoch each time (KIP-890).
    Feature {
        name: "transaction.version",
        min: 0,
        max: 2,
        initial: 2,
    },
];

/// The first levels of a new cluster.
pub(crate) fn bootstrap() -> Bootstrap {
    let features = SUPPORTED.iter().filter(|feature| feature.initial > 0);
    Bootstrap {
        features: features
            .map(|feature| (feature.name.to_owned(), feature.initial))
            .collect(),
    }
}

/// What raises an older cluster to the first levels of a new one; none where nothing is lower.
pub(crate) fn raise(image: &Image) -> Option<UpdateFeatures> {
    let lower = SUPPORTED
        .iter()
        .filter(|feature| image.feature(feature.name) < feature.initial);
    let updates: Vec<_> = lower
        .map(|feature| FeatureUpdate {
            name: feature.name.to_owned(),
            level: feature.initial,
            upgrade: UpgradeKind::Upgrade,
        })
        .collect();
    (!updates.is_empty()).then_some(UpdateFeatures {
        updates,
        validate_only: false,
    })
}

/// The levels that this node supports, as its registration tells them.
pub(crate) fn supported() -> Vec<FeatureRange> {
    SUPPORTED
        .iter()
        .map(|feature| FeatureRange {
            name: feature.name.to_owned(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
        })
        .collect()
}
