//! AlterConfigs (33): replaces whole configurations (KIP-133). Old clients send it; newer ones send
//! IncrementalAlterConfigs.

use std::sync::Arc;

use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use milena_cluster::metadata::{
    AlterConfigs as Operation, ConfigResource, Error, ResourceConfigs, ResourceKind, ResourceResult,
};
use milena_protocol::ErrorCode;

use super::answer::{error_of, parts, text};
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

pub(crate) struct AlterConfigs;

/// What stands in a response for one resource.
pub(super) struct Answer {
    pub(super) code: i16,
    pub(super) message: Option<kafka_protocol::protocol::StrBytes>,
    pub(super) kind: i8,
    pub(super) name: String,
}

impl Answer {
    pub(super) fn of(result: &ResourceResult) -> Self {
        let (code, message) = error_of(&result.result);
        Self {
            code,
            message,
            kind: result.resource.kind.code(),
            name: result.resource.name.to_string(),
        }
    }

    /// Says whose configurations are changed. The values may be secrets.
    pub(super) fn tell(context: &Context, answers: &[Self]) {
        let changed = answers.iter().filter(|answer| answer.code == 0);
        let names = changed.map(|answer| {
            let kind = ResourceKind::from_code(answer.kind);
            kind.map_or_else(String::new, |kind| format!("{kind:?} {}", answer.name))
        });
        told::changed(context, "configurations are changed", names);
    }

    pub(super) fn refused(kind: i8, name: &str, error: &Error) -> Self {
        let (code, message) = parts(error);
        Self {
            code,
            message,
            kind,
            name: name.to_owned(),
        }
    }
}

/// The resource that a request names.
pub(super) fn resource(kind: i8, name: &str) -> Result<ConfigResource, Error> {
    match ResourceKind::from_code(kind) {
        None => Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("unknown resource type {kind}"),
        )),
        Some(ResourceKind::BrokerLogger) => Err(Error::new(
            ErrorCode::InvalidRequest,
            "the levels of loggers cannot be changed at run time; set MILENA_LOG at start",
        )),
        Some(kind) => Ok(ConfigResource::new(kind, name)),
    }
}

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: AlterConfigsRequest,
    ) -> AlterConfigsResponse {
        let mut answers = Vec::new();
        let mut resources = Vec::new();
        for asked in request.resources {
            match resource(asked.resource_type, &asked.resource_name) {
                Err(error) => {
                    answers.push(Answer::refused(
                        asked.resource_type,
                        &asked.resource_name,
                        &error,
                    ));
                }
                Ok(resource) => resources.push(ResourceConfigs {
                    resource,
                    configs: asked
                        .configs
                        .into_iter()
                        .map(|config| {
                            (
                                config.name.to_string(),
                                config.value.map(|value| value.to_string()),
                            )
                        })
                        .collect(),
                }),
            }
        }
        let named: Vec<_> = resources
            .iter()
            .map(|configs| configs.resource.clone())
            .collect();
        let operation = Operation {
            resources,
            validate_only: request.validate_only,
        };
        match broker.controller().run(&operation).await {
            Ok(results) => answers.extend(results.iter().map(Answer::of)),
            Err(error) => answers.extend(
                named
                    .iter()
                    .map(|named| Answer::refused(named.kind.code(), &named.name, &error)),
            ),
        }
        if !request.validate_only {
            Answer::tell(context, &answers);
        }
        let responses = answers.into_iter().map(|answer| {
            AlterConfigsResourceResponse::default()
                .with_error_code(answer.code)
                .with_error_message(answer.message)
                .with_resource_type(answer.kind)
                .with_resource_name(text(answer.name))
        });
        AlterConfigsResponse::default().with_responses(responses.collect())
    }

    fn throttle(response: &mut AlterConfigsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
