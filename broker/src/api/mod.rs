//! The Kafka APIs that this broker serves: one file each, one row in [`ROWS`].
//!
//! Only this module knows API versions. A request is walked by the bounds guard before it is decoded;
//! Produce and Fetch have codecs of their own that need no guard.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Request as Message};
use milena_protocol::header::{self, RequestHeader};
use milena_protocol::wire::Writer;
use milena_protocol::{api as table, guard, message};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::completion::Completion;
use crate::net::{Grant, Peer, Response};
use crate::quotas::{Busy, Throttle};

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod answer;
mod api_versions;
mod authorized;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
pub(crate) mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
pub(crate) mod produce;
mod rows;
mod sync_group;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

pub(crate) use rows::ROWS;

/// Key of Produce.
pub(crate) const PRODUCE: i16 = 0;
/// Key of ApiVersions.
pub(crate) const API_VERSIONS: i16 = 18;

/// What every handler knows about its request.
#[derive(Debug)]
pub(crate) struct Context {
    /// Which API.
    pub(crate) api_key: i16,
    /// Version of request and response.
    pub(crate) version: i16,
    /// Echoed in the response.
    pub(crate) correlation_id: i32,
    /// Name that the client gives itself.
    pub(crate) client_id: Option<Arc<str>>,
    /// Who asks.
    pub(crate) peer: Peer,
    /// How long the client has to wait for what it changes.
    pub(crate) throttle: Throttle,
}

/// A frame that has arrived.
pub(crate) struct Incoming<'a> {
    /// The frame without its length.
    pub(crate) frame: BytesMut,
    /// Who sent it.
    pub(crate) peer: &'a Peer,
    /// Client id of the request before, kept to spare an allocation per request.
    pub(crate) client_id: &'a mut Option<Arc<str>>,
    /// Woken when records of this connection are durable.
    pub(crate) wake: &'a Arc<Notify>,
    /// Memory of the frame.
    pub(crate) grant: Grant,
}

/// A request that is served when all before it are answered.
pub(crate) struct Request {
    context: Context,
    body: Bytes,
    row: &'static Row,
    _grant: Grant,
}

/// A Produce request whose records are appended, and whose acknowledgement is due.
pub(crate) struct Waiting {
    /// Done when every record is durable or refused.
    pub(crate) completion: Arc<Completion>,
    /// When the client's timeout ends.
    pub(crate) deadline: Instant,
    /// What the response needs.
    pub(crate) reply: produce::Reply,
    /// Memory of the frame, given back with the reply.
    pub(crate) _grant: Grant,
}

/// What became of a frame at first sight.
pub(crate) enum Started {
    /// Records are appended; [`finish`] gives the response later.
    Waiting(Waiting),
    /// Records are appended when the coordinator of their transaction has answered. Until then
    /// nothing that follows may be appended.
    Verifying(Verifying),
    /// To be given to [`serve`].
    Serial(Request),
    /// The response.
    Ready(Response),
}

/// Appends the rest of a Produce request.
pub(crate) type Verifying = Pin<Box<dyn Future<Output = Waiting> + Send>>;

/// A response future.
pub(crate) type Served<'a> =
    Pin<Box<dyn Future<Output = Result<Response, Unreadable>> + Send + 'a>>;

/// One API of the table.
pub(crate) struct Row {
    /// Its key.
    pub(crate) key: i16,
    /// Decodes, serves, encodes.
    pub(crate) serve: for<'a> fn(&'a Arc<Broker>, &'a Context, Bytes) -> Served<'a>,
}

/// A request that cannot be answered; its connection is closed, as Kafka does.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    /// The header is damaged.
    #[error("header: {0}")]
    Header(header::Error),
    /// No such API here.
    #[error("api key {0} is not served")]
    Key(i16),
    /// Not in this version.
    #[error("version {version} of api key {key} is not served")]
    Version {
        /// The API.
        key: i16,
        /// The version asked for.
        version: i16,
    },
    /// The body's lengths do not add up.
    #[error("body: {0}")]
    Guard(#[from] guard::Error),
    /// The body is no such message, or the response cannot be written.
    #[error("message: {0}")]
    Message(String),
}

/// One API whose messages come from the generated crate.
pub(crate) trait Api: 'static {
    /// The request; it names its key and its response.
    type Request: Message + Send;

    /// Serves one request. Errors travel in the response.
    fn handle<'a>(
        broker: &'a Arc<Broker>,
        context: &'a Context,
        request: Self::Request,
    ) -> impl Future<Output = <Self::Request as Message>::Response> + Send + 'a;

    /// Tells the client for how long it is throttled, where the response can.
    fn throttle(_response: &mut <Self::Request as Message>::Response, _throttle_ms: i32) {}

    /// Reads the body of a request that the guard has walked.
    fn decode(version: i16, body: &mut Bytes) -> Result<Self::Request, Unreadable> {
        let version = message::wire_version(Self::Request::KEY, version);
        Self::Request::decode(body, version).map_err(|error| Unreadable::Message(error.to_string()))
    }

    /// Writes the body of a response that needs more than its message says.
    fn encode_for(
        _broker: &Broker,
        version: i16,
        response: &<Self::Request as Message>::Response,
        out: &mut BytesMut,
    ) -> Result<(), Unreadable> {
        Self::encode(version, response, out)
    }

    /// Writes the body of a response.
    fn encode(
        version: i16,
        response: &<Self::Request as Message>::Response,
        out: &mut BytesMut,
    ) -> Result<(), Unreadable> {
        let version = message::wire_version(Self::Request::KEY, version);
        response
            .encode(out, version)
            .map_err(|error| Unreadable::Message(error.to_string()))
    }
}

/// The row of an API.
pub(crate) const fn row<A: Api>() -> Row
where
    <A::Request as Message>::Response: Send,
{
    Row {
        key: A::Request::KEY,
        serve: |broker, context, body| Box::pin(typed::<A>(broker, context, body)),
    }
}

async fn typed<A: Api>(
    broker: &Arc<Broker>,
    context: &Context,
    mut body: Bytes,
) -> Result<Response, Unreadable>
where
    <A::Request as Message>::Response: Send,
{
    let version = context.version;
    guard::check(context.api_key, version, &body)?;
    let request = A::decode(version, &mut body)?;
    let handled = Busy::new(Box::pin(A::handle(broker, context, request)));
    let (mut response, busy) = handled.await;
    let throttle = broker.throttle_request(context, busy);
    if !throttle.is_zero() {
        A::throttle(
            &mut response,
            i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX),
        );
    }
    let mut response = encode(context, |out| {
        A::encode_for(broker, version, &response, out)
    })?;
    response.throttle = throttle;
    Ok(response)
}

/// Writes frame length, response header and body.
pub(crate) fn encode(
    context: &Context,
    body: impl FnOnce(&mut BytesMut) -> Result<(), Unreadable>,
) -> Result<Response, Unreadable> {
    let mut out = BytesMut::with_capacity(256);
    out.extend_from_slice(&[0; 4]);
    let header_version =
        table::response_header_version(context.api_key, context.version).unwrap_or_default();
    header::write_response(
        &mut Writer::new(&mut out),
        context.correlation_id,
        header_version,
    );
    body(&mut out)?;
    let length = i32::try_from(out.len() - 4)
        .map_err(|_| Unreadable::Message("the response exceeds 2 GiB".to_owned()))?;
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    Ok(Response::bytes(out.freeze()))
}

/// Takes a frame: appends the records of a Produce request, prepares everything else.
pub(crate) fn start(broker: &Arc<Broker>, incoming: Incoming<'_>) -> Started {
    let peer = incoming.peer;
    match begin(broker, incoming) {
        Ok(started) => started,
        Err(error) => {
            broker.refused(peer, None, &error);
            Started::Ready(Response::close())
        }
    }
}

fn begin(broker: &Arc<Broker>, incoming: Incoming<'_>) -> Result<Started, Unreadable> {
    let Incoming {
        mut frame,
        peer,
        client_id,
        wake,
        grant,
    } = incoming;
    let (parsed, body_at) = RequestHeader::parse(&frame).map_err(Unreadable::Header)?;
    if parsed.client_id != client_id.as_deref() {
        *client_id = parsed.client_id.map(Arc::from);
    }
    let context = Context {
        api_key: parsed.api_key,
        version: parsed.api_version,
        correlation_id: parsed.correlation_id,
        client_id: client_id.clone(),
        peer: peer.clone(),
        throttle: Throttle::default(),
    };
    let info = table::info(context.api_key).ok_or(Unreadable::Key(context.api_key))?;
    broker.metrics().request(context.api_key);
    if !rows::serves(broker, info, context.version) {
        if context.api_key == API_VERSIONS {
            return rows::unsupported_api_versions(broker, &context).map(Started::Ready);
        }
        return Err(Unreadable::Version {
            key: context.api_key,
            version: context.version,
        });
    }
    let body = frame.split_off(body_at);
    if context.api_key == PRODUCE {
        return produce::start(broker, context, body, wake, grant);
    }
    let row = ROWS
        .iter()
        .find(|row| row.key == context.api_key)
        .ok_or(Unreadable::Key(context.api_key))?;
    Ok(Started::Serial(Request {
        context,
        body: body.freeze(),
        row,
        _grant: grant,
    }))
}

/// Serves a request.
pub(crate) async fn serve(broker: &Arc<Broker>, request: Request) -> Response {
    let started = Instant::now();
    let served = (request.row.serve)(broker, &request.context, request.body).await;
    broker
        .metrics()
        .request_seconds(request.context.api_key, started.elapsed());
    match served {
        Ok(response) => response,
        Err(error) => {
            let api = (request.context.api_key, request.context.version);
            broker.refused(&request.context.peer, Some(api), &error);
            Response::close()
        }
    }
}

/// The response to a Produce request whose acknowledgement is final or has timed out.
pub(crate) fn finish(broker: &Arc<Broker>, waiting: Waiting) -> Response {
    produce::finish(broker, waiting)
}
