//! AlterClientQuotas (49): quotas of users, clients and addresses (KIP-546).

use std::sync::Arc;

use kafka_protocol::messages::alter_client_quotas_request::EntryData as Asked;
use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use milena_cluster::metadata::{
    AlterClientQuotas as Operation, QuotaAlteration, QuotaChange, QuotaResult,
};

use super::answer::{error_of, text};
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct AlterClientQuotas;

impl Api for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: AlterClientQuotasRequest,
    ) -> AlterClientQuotasResponse {
        let operation = Operation {
            entries: request.entries.into_iter().map(alteration).collect(),
            validate_only: request.validate_only,
        };
        let results = match broker.controller().run(&operation).await {
            Ok(results) => results,
            Err(error) => {
                let entries = operation.entries.into_iter();
                entries
                    .map(|entry| QuotaResult {
                        entity: entry.entity,
                        result: Err(error.clone()),
                    })
                    .collect()
            }
        };
        AlterClientQuotasResponse::default()
            .with_entries(results.into_iter().map(respond).collect())
    }

    fn throttle(response: &mut AlterClientQuotasResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn alteration(entry: Asked) -> QuotaAlteration {
    let entity = entry.entity.into_iter().map(|part| {
        (
            part.entity_type.to_string(),
            part.entity_name.map(|name| name.to_string()),
        )
    });
    let changes = entry.ops.into_iter().map(|change| QuotaChange {
        key: change.key.to_string(),
        value: (!change.remove).then_some(change.value),
    });
    QuotaAlteration {
        entity: entity.collect(),
        changes: changes.collect(),
    }
}

fn respond(result: QuotaResult) -> EntryData {
    let (code, message) = error_of(&result.result);
    let entity = result.entity.into_iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text))
    });
    EntryData::default()
        .with_error_code(code)
        .with_error_message(message)
        .with_entity(entity.collect())
}
