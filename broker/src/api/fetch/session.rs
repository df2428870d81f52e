//! The shell of fetch sessions (KIP-227): which partitions a fetch is about, and what of the answer
//! the client has to be told.

use std::sync::Arc;

use milena_cluster::fetch_session::{Answer, Cache, Opened, Request, Settings, Topic, Wanted};
use milena_protocol::config::BrokerValues;
use milena_protocol::fetch::{self, ForgottenPartition, Partition as Asked};
use milena_protocol::topic::{TopicRef, TopicSpan};
use milena_protocol::{ErrorCode, TopicId};

use super::{Found, Target, bytes};
use crate::api::Context;
use crate::broker::Broker;
use crate::clock;

/// The sessions of this broker.
#[derive(Debug)]
pub(crate) struct Sessions(Cache);

impl Sessions {
    /// No sessions yet. `seed` makes their ids.
    pub(crate) fn new(values: &BrokerValues, seed: u64) -> Self {
        let slots = values.size("max.incremental.fetch.session.cache.slots");
        Self(Cache::new(Settings::new(slots), (0, 1), seed))
    }
}

/// The session of one request.
pub(super) struct Session {
    opened: Opened,
    targets: Vec<Target>,
}

impl Session {
    /// What is fetched, in order.
    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Ends a request that was throttled and answers nothing: the id of the session.
    ///
    /// # Errors
    /// What the session says.
    pub(super) fn close_throttled(&self, broker: &Broker) -> Result<i32, ErrorCode> {
        broker.sessions().0.close_throttled(&self.opened)
    }

    /// Ends the request: the id of the session, and what the client has to be told.
    ///
    /// # Errors
    /// What the session says.
    pub(super) fn close(
        &self,
        broker: &Broker,
        mut found: Vec<Found>,
    ) -> Result<(i32, Vec<Found>), ErrorCode> {
        let answers: Vec<Answer> = found.iter().map(answer).collect();
        let closed = broker
            .sessions()
            .0
            .close(&self.opened, &answers, clock::now())?;
        if self.opened.is_incremental() {
            let mut is_included = closed.is_included.into_iter();
            found.retain(|_| is_included.next().unwrap_or(true));
        }
        Ok((closed.session_id, found))
    }
}

fn answer(found: &Found) -> Answer {
    let read = &found.read;
    Answer {
        records_bytes: read.bytes,
        high_watermark: read.high_watermark,
        log_start: read.log_start,
        has_error: read.error.is_err(),
        is_diverging: read.diverging.is_some(),
        has_preferred_replica: false,
    }
}

/// Opens the session that a request names, or none.
///
/// # Errors
/// What the session says; the client starts over with a full fetch.
pub(super) fn open(
    broker: &Broker,
    context: &Context,
    request: &fetch::Request<'_>,
    body: &[u8],
    partitions: &[Asked],
    forgotten: &[ForgottenPartition],
) -> Result<Session, ErrorCode> {
    let mut names = Names { body, last: None };
    let wanted = partitions.iter().map(|asked| Wanted {
        topic: names.topic(&asked.topic),
        partition: asked.partition,
        offset: asked.fetch_offset,
        current_leader_epoch: asked.current_leader_epoch,
        last_fetched_epoch: asked.last_fetched_epoch,
        log_start: asked.log_start,
        bytes_max: asked.max_bytes,
    });
    let wanted = wanted.collect();
    let forgotten = forgotten.iter();
    let request = Request {
        session_id: request.session_id,
        epoch: request.session_epoch,
        is_follower: request.replica_id.0 >= 0,
        uses_topic_ids: context.version >= fetch::TOPIC_ID_FROM,
        partitions: wanted,
        forgotten: forgotten
            .map(|forgotten| (names.topic(&forgotten.topic), forgotten.partition))
            .collect(),
    };
    let opened = broker.sessions().0.open(request, clock::now())?;
    let mut topics = Topics { broker, last: None };
    let targets = opened
        .targets()
        .iter()
        .map(|wanted| topics.target(wanted))
        .collect();
    Ok(Session { opened, targets })
}

/// Reads the topics of a request; neighbours of one topic share one name.
struct Names<'a> {
    body: &'a [u8],
    last: Option<(TopicSpan, Topic)>,
}

impl Names<'_> {
    fn topic(&mut self, span: &TopicSpan) -> Topic {
        if let Some((last, topic)) = &self.last
            && last == span
        {
            return topic.clone();
        }
        let topic = match span.resolve(self.body) {
            TopicRef::Name(name) => Topic::Name(Arc::from(name)),
            TopicRef::Id(id) => Topic::Id(id),
        };
        self.last = Some((span.clone(), topic.clone()));
        topic
    }
}

/// What a topic of a session is at the moment: id, name, and the error of one that is not there.
type Resolved = (TopicId, Arc<str>, ErrorCode);

/// Looks topics up; neighbours of one topic share the lookup.
struct Topics<'a> {
    broker: &'a Broker,
    last: Option<(Topic, Resolved)>,
}

impl Topics<'_> {
    fn target(&mut self, wanted: &Wanted) -> Target {
        let (topic_id, topic, error) = self.resolve(&wanted.topic);
        Target {
            topic,
            topic_id,
            index: wanted.partition,
            offset: wanted.offset,
            current_leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            bytes_max: bytes(wanted.bytes_max),
            error,
        }
    }

    fn resolve(&mut self, topic: &Topic) -> Resolved {
        if let Some((last, resolved)) = &self.last
            && last == topic
        {
            return resolved.clone();
        }
        let replicas = self.broker.replicas();
        let (found, otherwise) = match topic {
            Topic::Name(name) => (
                replicas.topic(name),
                (
                    TopicId::ZERO,
                    Arc::clone(name),
                    ErrorCode::UnknownTopicOrPartition,
                ),
            ),
            Topic::Id(id) => (
                replicas.topic_by_id(*id),
                (*id, Arc::from(""), ErrorCode::UnknownTopicId),
            ),
        };
        let resolved = match found {
            Some(topic) => (topic.id, Arc::clone(&topic.name), ErrorCode::None),
            None => otherwise,
        };
        self.last = Some((topic.clone(), resolved.clone()));
        resolved
    }
}
