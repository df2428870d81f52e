//! The controller and the evaluation of requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use milena_protocol::stored::metadata::Record;
use milena_protocol::{BrokerId, ErrorCode, Timestamp};

use super::session::Sessions;
use super::{Draft, Rules};
use crate::metadata::{Error, Image};

/// Most records of one request (`QuorumController.MAX_RECORDS_PER_USER_OP`).
const RECORDS_MAX: usize = 10_000;

/// Settings of a controller.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Id of this node.
    pub node_id: BrokerId,
    /// Ids of all controllers.
    pub controllers: Vec<BrokerId>,
    /// Partitions of a topic that says none (`num.partitions`); at least 1.
    pub num_partitions: i32,
    /// Replicas of a topic that says none (`default.replication.factor`); at least 1.
    pub default_replication_factor: i16,
    /// `min.insync.replicas` of the configuration file.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable` of the configuration file.
    pub unclean_leader_election_enable: bool,
    /// Milliseconds without a heartbeat after which a broker is fenced
    /// (`broker.session.timeout.ms`).
    pub broker_session_timeout_ms: i64,
    /// Levels of each feature that this node supports, both ends inclusive.
    pub supported_features: BTreeMap<String, (i16, i16)>,
}

impl Default for Config {
    fn default() -> Self {
        let supported = [
            ("metadata.version", (7, 30)),
            ("kraft.version", (0, 1)),
            ("transaction.version", (0, 2)),
            ("group.version", (0, 1)),
            ("eligible.leader.replicas.version", (0, 1)),
            ("share.version", (0, 1)),
            ("streams.version", (0, 1)),
        ];
        Self {
            node_id: BrokerId(0),
            controllers: vec![BrokerId(0)],
            num_partitions: 1,
            default_replication_factor: 1,
            min_insync_replicas: 1,
            unclean_leader_election_enable: false,
            broker_session_timeout_ms: 9000,
            supported_features: supported
                .map(|(name, range)| (name.to_owned(), range))
                .into(),
        }
    }
}

/// What a request leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// Records that carry it out, to be written as one entry; none where nothing changes.
    pub records: Vec<Record>,
    /// The answer, valid once the records were applied.
    pub response: R,
}

/// A request to the controller.
pub trait Operation {
    /// The answer.
    type Response;

    /// False where the broker or the controller itself asks: its records are as many as they are.
    const IS_BOUNDED: bool = true;

    /// Evaluates the request on the image of the draft and pushes records onto it.
    ///
    /// # Errors
    /// Where the request as a whole is refused; what was pushed is dropped.
    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error>;
}

/// Decides what requests change. Besides its settings it knows which brokers it heard of lately,
/// which is not replicated: a controller that becomes active grants a session to every broker.
#[derive(Clone)]
pub struct Controller {
    pub(super) config: Config,
    pub(super) rules: Arc<dyn Rules>,
    pub(super) sessions: Sessions,
}

impl Controller {
    /// A controller that has not heard of any broker.
    pub fn new(config: Config, rules: Arc<dyn Rules>) -> Self {
        Self {
            config,
            rules,
            sessions: Sessions::default(),
        }
    }

    /// Settings of the controller.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Evaluates a request. The image is the one that the records are applied to.
    ///
    /// # Errors
    /// Where the request as a whole is refused: the code and message of the answer.
    /// `POLICY_VIOLATION` where a user asks for more than 10 000 records, `INVALID_REQUEST` where a
    /// string in it is too long for a record.
    pub fn decide<O: Operation>(
        &self,
        image: &Image,
        now: Timestamp,
        request: &O,
    ) -> Result<Decision<O::Response>, Error> {
        let mut draft = Draft::new(self, image, now);
        let response = request.decide(&mut draft)?;
        let records = draft.into_records();
        if O::IS_BOUNDED && records.len() > RECORDS_MAX {
            return Err(Error::new(
                ErrorCode::PolicyViolation,
                "Unable to perform excessively large batch operation.",
            ));
        }
        let mut bytes = BytesMut::new();
        for record in &records {
            bytes.clear();
            record
                .encode_version(record.latest_version(), &mut bytes)
                .map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))?;
        }
        Ok(Decision { records, response })
    }
}
