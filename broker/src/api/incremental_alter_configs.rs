//! IncrementalAlterConfigs (44): changes single values of configurations (KIP-339).

use std::sync::Arc;

use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use milena_cluster::metadata::{
    ConfigChange, ConfigOperation, Error, IncrementalAlterConfigs as Operation, ResourceChange,
};
use milena_protocol::ErrorCode;

use super::alter_configs::{Answer, resource};
use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct IncrementalAlterConfigs;

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let mut answers = Vec::new();
        let mut resources = Vec::new();
        for asked in request.resources {
            match change(&asked) {
                Ok(change) => resources.push(change),
                Err(error) => {
                    answers.push(Answer::refused(
                        asked.resource_type,
                        &asked.resource_name,
                        &error,
                    ));
                }
            }
        }
        let named: Vec<_> = resources
            .iter()
            .map(|change| change.resource.clone())
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
        IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
    }

    fn throttle(response: &mut IncrementalAlterConfigsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn change(asked: &AlterConfigsResource) -> Result<ResourceChange, Error> {
    let resource = resource(asked.resource_type, &asked.resource_name)?;
    let changes = asked.configs.iter().map(|config| {
        let operation = match config.config_operation {
            0 => ConfigOperation::Set,
            1 => ConfigOperation::Delete,
            2 => ConfigOperation::Append,
            3 => ConfigOperation::Subtract,
            unknown => {
                let message = format!("unknown operation type {unknown} for key {}", config.name);
                return Err(Error::new(ErrorCode::InvalidRequest, message));
            }
        };
        let value = config.value.as_ref().map(ToString::to_string);
        Ok(ConfigChange {
            key: config.name.to_string(),
            operation,
            value,
        })
    });
    Ok(ResourceChange {
        resource,
        changes: changes.collect::<Result<_, _>>()?,
    })
}
