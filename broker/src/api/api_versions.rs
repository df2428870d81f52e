//! ApiVersions (18): what this broker serves (KIP-35, KIP-511, KIP-584).

use std::sync::Arc;

use kafka_protocol::messages::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::ErrorCode;

use super::{Api, Context, rows};
use crate::broker::Broker;
use crate::features;

/// First version with the name and version of the client.
const SOFTWARE_FROM: i16 = 3;
/// First version in which a feature may have the minimum 0 (KAFKA-17011).
const MINIMUM_ZERO_FROM: i16 = 4;

pub(crate) struct ApiVersions;

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ApiVersionsRequest,
    ) -> ApiVersionsResponse {
        let is_named =
            is_plain(&request.client_software_name) && is_plain(&request.client_software_version);
        if context.version >= SOFTWARE_FROM && !is_named {
            return ApiVersionsResponse::default()
                .with_error_code(ErrorCode::InvalidRequest.code());
        }
        let image = broker.image();
        let supported = features::SUPPORTED
            .iter()
            .filter(|feature| feature.min > 0 || context.version >= MINIMUM_ZERO_FROM);
        let supported = supported.map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(feature.name))
                .with_min_version(feature.min)
                .with_max_version(feature.max)
        });
        let finalized = image.features().filter(|(_, level)| *level > 0);
        let finalized = finalized.map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.to_string()))
                .with_min_version_level(level)
                .with_max_version_level(level)
        });
        ApiVersionsResponse::default()
            .with_api_keys(rows::advertised(broker).collect())
            .with_supported_features(supported.collect())
            .with_finalized_features_epoch(image.features_epoch().0)
            .with_finalized_features(finalized.collect())
    }

    fn throttle(response: &mut ApiVersionsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Letters, digits, dots and dashes, not at the ends (KIP-511).
fn is_plain(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text
            .chars()
            .all(|c| is_alphanumeric(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn names_of_software_are_plain() {
        for (text, plain) in [
            ("librdkafka", true),
            ("2.15.0-RC1", true),
            ("", false),
            ("-a", false),
            ("a b", false),
            ("a.", false),
        ] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
    }
}
