//! UpdateFeatures (57): finalizes levels of features (KIP-584, KIP-1022).

use std::sync::Arc;

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use milena_cluster::metadata::{FeatureUpdate, UpdateFeatures as Operation, UpgradeKind};

use super::answer::error_of;
use super::{Api, Context};
use crate::broker::Broker;

/// First version with a kind of upgrade instead of a flag.
const KIND_FROM: i16 = 1;
/// First version without a result per feature: all are updated or none, so that an error has none in
/// older versions either.
const WHOLE_FROM: i16 = 2;

pub(crate) struct UpdateFeatures;

impl Api for UpdateFeatures {
    type Request = UpdateFeaturesRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: UpdateFeaturesRequest,
    ) -> UpdateFeaturesResponse {
        let names: Vec<_> = request
            .feature_updates
            .iter()
            .map(|update| update.feature.clone())
            .collect();
        let updates = request.feature_updates.into_iter();
        let operation = Operation {
            updates: updates
                .map(|update| read(context.version, update))
                .collect(),
            validate_only: request.validate_only,
        };
        let result = broker.controller().run(&operation).await;
        let (code, message) = error_of(&result);
        let response = UpdateFeaturesResponse::default()
            .with_error_code(code)
            .with_error_message(message);
        if context.version >= WHOLE_FROM || code != 0 {
            return response;
        }
        let results = names.into_iter().map(|feature| {
            UpdatableFeatureResult::default()
                .with_feature(feature)
                .with_error_message(None)
        });
        response.with_results(results.collect())
    }

    fn throttle(response: &mut UpdateFeaturesResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn read(version: i16, update: FeatureUpdateKey) -> FeatureUpdate {
    let upgrade = match (version < KIND_FROM, update.allow_downgrade) {
        (true, true) => UpgradeKind::SafeDowngrade,
        (true, false) => UpgradeKind::Upgrade,
        (false, _) => UpgradeKind::from_code(update.upgrade_type),
    };
    FeatureUpdate {
        name: update.feature.to_string(),
        level: update.max_version_level,
        upgrade,
    }
}
