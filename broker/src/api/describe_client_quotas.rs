//! DescribeClientQuotas (48): quotas of users, clients and addresses (KIP-546).

use std::sync::Arc;

use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use milena_cluster::metadata::{Error, Match, QuotaEntity, QuotaFilter};
use milena_protocol::ErrorCode;

use super::answer::{parts, text};
use super::{Api, Context};
use crate::broker::Broker;

/// The name has to be this one.
const EXACT: i8 = 0;
/// The default of the type.
const DEFAULT: i8 = 1;
/// Any name that was given.
const ANY: i8 = 2;

pub(crate) struct DescribeClientQuotas;

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeClientQuotasRequest,
    ) -> DescribeClientQuotasResponse {
        let components: Result<_, _> = request.components.iter().map(component).collect();
        let found = components.and_then(|components| {
            let filter = QuotaFilter {
                components,
                strict: request.strict,
            };
            broker.image().describe_client_quotas(&filter)
        });
        match found {
            Ok(found) => DescribeClientQuotasResponse::default().with_entries(Some(
                found
                    .iter()
                    .map(|(entity, values)| entry(entity, values))
                    .collect(),
            )),
            Err(error) => {
                let (code, message) = parts(&error);
                DescribeClientQuotasResponse::default()
                    .with_error_code(code)
                    .with_error_message(message)
                    .with_entries(None)
            }
        }
    }

    fn throttle(response: &mut DescribeClientQuotasResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn component(component: &ComponentData) -> Result<(Arc<str>, Match), Error> {
    let wanted = match (component.match_type, &component._match) {
        (EXACT, Some(name)) => Match::Exact(Arc::from(name.as_str())),
        (DEFAULT, None) => Match::Default,
        (ANY, None) => Match::Any,
        (EXACT | DEFAULT | ANY, _) => {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "a name must be given for an exact match, and for no other",
            ));
        }
        (unknown, _) => {
            let message = format!("unknown match type {unknown}");
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
    };
    Ok((Arc::from(component.entity_type.as_str()), wanted))
}

fn entry(entity: &QuotaEntity, values: &[(Arc<str>, f64)]) -> EntryData {
    let entity = entity.0.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(text(&**kind))
            .with_entity_name(name.as_deref().map(text))
    });
    let values = values.iter().map(|(key, value)| {
        ValueData::default()
            .with_key(text(&**key))
            .with_value(*value)
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_values(values.collect())
}
