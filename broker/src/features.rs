//! Features that this broker serves, and the levels a new cluster starts with (KIP-584).

use milena_cluster::metadata::Image;
use milena_protocol::stored::metadata::{FeatureLevel, Record};

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

/// Name of the feature that says which records the metadata log holds.
const METADATA_VERSION: &str = "metadata.version";

/// All of them. A feature comes with the APIs that it promises; those of transactions, of the newer
/// group protocols and of share groups are not served.
pub(crate) const SUPPORTED: &[Feature] =
    &[Feature { name: METADATA_VERSION, min: 7, max: 30, initial: 30 }];

/// Records that give each feature its initial level, where neither the image nor `coming` has a level
/// that high.
pub(crate) fn missing(image: &Image, coming: &[Record]) -> Vec<Record> {
    let level = |name: &str| {
        let coming = coming.iter().rev().find_map(|record| match record {
            Record::FeatureLevel(level) if level.name == name => Some(level.feature_level),
            _ => None,
        });
        coming.unwrap_or_else(|| image.feature(name))
    };
    SUPPORTED
        .iter()
        .filter(|feature| level(feature.name) < feature.initial)
        .map(|feature| {
            Record::FeatureLevel(FeatureLevel {
                name: feature.name.into(),
                feature_level: feature.initial,
            })
        })
        .collect()
}
