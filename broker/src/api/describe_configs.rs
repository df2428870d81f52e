//! DescribeConfigs (32): the configuration of topics, brokers, groups and client-metrics
//! subscriptions, with the source of every value (KIP-226, KIP-569).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::metadata::{self as cluster, ConfigResource, Image, ResourceKind};
use milena_protocol::ErrorCode;
use milena_protocol::config::{
    Explained, GroupConfig, Source, Synonym, TopicConfig, client_metrics,
};

use super::{Api, Context};
use crate::broker::Broker;
use crate::replicas::overrides;

pub(crate) struct DescribeConfigs;

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let image = broker.image();
        let shows = Shows {
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
        };
        let results = request.resources.into_iter().map(|resource| {
            let explained = explain(broker, &image, &resource);
            respond(resource, explained, shows)
        });
        DescribeConfigsResponse::default().with_results(results.collect())
    }

    fn throttle(response: &mut DescribeConfigsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// What the client wants to see besides the values.
#[derive(Clone, Copy)]
struct Shows {
    synonyms: bool,
    documentation: bool,
}

type Refused = (ErrorCode, String);

fn explain(
    broker: &Broker,
    image: &Image,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Explained>, Refused> {
    let name = resource.resource_name.as_str();
    let values = broker.values();
    let kind = ResourceKind::from_code(resource.resource_type).ok_or_else(|| {
        let message = format!("unsupported resource type: {}", resource.resource_type);
        (ErrorCode::InvalidRequest, message)
    })?;
    match kind {
        ResourceKind::Topic => {
            cluster::check_topic_name(name)
                .map_err(|error| (error.code, error.message.unwrap_or_default()))?;
            if image.topic(name).is_none() {
                let message = format!("topic {name} does not exist");
                return Err((ErrorCode::UnknownTopicOrPartition, message));
            }
            Ok(TopicConfig::explain(&overrides(image, name), &values))
        }
        ResourceKind::Broker if name.is_empty() => Ok(values.explain_default()),
        ResourceKind::Broker => {
            check_own(broker, name)?;
            Ok(values.explain())
        }
        ResourceKind::BrokerLogger => {
            check_own(broker, name)?;
            Ok(Vec::new())
        }
        ResourceKind::ClientMetrics if name.is_empty() => Err((
            ErrorCode::InvalidRequest,
            "client metrics subscription name must not be empty".to_owned(),
        )),
        ResourceKind::ClientMetrics => Ok(subscription(&set(image, kind, name))),
        ResourceKind::Group if name.is_empty() => Err((
            ErrorCode::InvalidRequest,
            "group name must not be empty".to_owned(),
        )),
        ResourceKind::Group => Ok(GroupConfig::explain(&set(image, kind, name), &values)),
    }
}

/// What was set for a resource.
fn set(image: &Image, kind: ResourceKind, name: &str) -> BTreeMap<String, String> {
    let configs = image
        .configs(&ConfigResource::new(kind, name))
        .into_iter()
        .flatten();
    configs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// The keys of a client-metrics subscription.
fn subscription(set: &BTreeMap<String, String>) -> Vec<Explained> {
    let keys = client_metrics().sorted().into_iter();
    keys.map(|key| {
        let default = key.default_text().map(str::to_owned);
        let given = set
            .get(key.name)
            .cloned()
            .map(|value| (Some(value), Source::ClientMetrics));
        let default = default.map(|value| (Some(value), Source::Default));
        let synonyms: Vec<_> = given
            .into_iter()
            .chain(default)
            .map(|(value, source)| Synonym {
                name: key.name.to_owned(),
                value,
                source,
            })
            .collect();
        Explained {
            name: key.name.to_owned(),
            value: synonyms.first().and_then(|synonym| synonym.value.clone()),
            source: synonyms
                .first()
                .map_or(Source::Default, |synonym| synonym.source),
            read_only: false,
            sensitive: false,
            kind: Some(key.kind),
            documentation: key.documentation,
            synonyms,
        }
    })
    .collect()
}

/// A broker knows its own values only.
fn check_own(broker: &Broker, name: &str) -> Result<(), Refused> {
    match name.parse::<i32>() {
        Ok(id) if id == broker.id().0 => Ok(()),
        Ok(id) => {
            let message = format!(
                "unexpected broker id, expected {}, but received {id}",
                broker.id()
            );
            Err((ErrorCode::InvalidRequest, message))
        }
        Err(_) => Err((
            ErrorCode::InvalidRequest,
            format!("broker id must be an integer, but it is: {name}"),
        )),
    }
}

fn respond(
    resource: DescribeConfigsResource,
    explained: Result<Vec<Explained>, Refused>,
    shows: Shows,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    let asked = resource.configuration_keys;
    match explained {
        Err((error, message)) => result
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(message))),
        Ok(explained) => {
            let is_asked = |entry: &Explained| {
                asked.as_ref().is_none_or(|keys| {
                    keys.is_empty() || keys.iter().any(|key| key.as_str() == entry.name)
                })
            };
            let entries = explained.into_iter().filter(is_asked);
            result.with_configs(entries.map(|explained| entry(explained, shows)).collect())
        }
    }
}

fn entry(explained: Explained, shows: Shows) -> DescribeConfigsResourceResult {
    let text = |text: String| StrBytes::from_string(text);
    let synonyms = if shows.synonyms {
        explained.synonyms
    } else {
        Vec::new()
    };
    let synonyms = synonyms.into_iter().map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(synonym.name))
            .with_value(synonym.value.map(text))
            .with_source(synonym.source.code())
    });
    let documentation = shows
        .documentation
        .then(|| StrBytes::from_static_str(explained.documentation));
    DescribeConfigsResourceResult::default()
        .with_name(text(explained.name))
        .with_value(explained.value.map(text))
        .with_read_only(explained.read_only)
        .with_config_source(explained.source.code())
        .with_is_sensitive(explained.sensitive)
        .with_synonyms(synonyms.collect())
        .with_config_type(explained.kind.map_or(0, |kind| kind.code()))
        .with_documentation(documentation)
}
