//! Client quotas: what clients use is measured, and who goes beyond a limit is told how long to wait
//! and is not read from meanwhile (KIP-13, 124, 219, 599, 612).
//!
//! Where no limit of a kind is set, one load of an atomic is all it costs.

mod busy;
mod mutation;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use milena_cluster::metadata::Image;
use milena_cluster::quota::{
    Admission, Client, ClientQuotas, ConnectionRates, Kind, MutationQuotas, Table, Window,
};
use milena_protocol::Timestamp;
use milena_protocol::config::BrokerValues;

use crate::api::Context;
use crate::broker::Broker;
use crate::clock;

pub(crate) use busy::Busy;
pub(crate) use mutation::Throttle;

/// The user of every connection that has not said who it is.
const ANONYMOUS: &str = "ANONYMOUS";
/// Percent of the time of one thread, in a second of it.
const PERCENT: f64 = 100.0;

/// A quota, and whether any limit of it is set.
#[derive(Debug)]
struct Guarded<Q> {
    is_set: AtomicBool,
    quota: Mutex<Q>,
}

impl<Q> Guarded<Q> {
    fn new(quota: Q) -> Self {
        Self {
            is_set: AtomicBool::new(false),
            quota: Mutex::new(quota),
        }
    }

    /// The quota, where a limit is set.
    fn active(&self) -> Option<MutexGuard<'_, Q>> {
        self.is_set.load(Ordering::Relaxed).then(|| self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Q> {
        // Every change of a quota is complete before anything can panic.
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, is_set: bool, change: impl FnOnce(&mut Q)) {
        change(&mut self.lock());
        self.is_set.store(is_set, Ordering::Relaxed);
    }
}

/// All quotas. No two of their locks are held at once.
#[derive(Debug)]
pub(crate) struct Quotas {
    started: (Timestamp, Instant),
    produce: Guarded<ClientQuotas>,
    fetch: Guarded<ClientQuotas>,
    request: Guarded<ClientQuotas>,
    mutation: Guarded<MutationQuotas>,
    connection: Guarded<ConnectionRates>,
    /// Limits of addresses are set; those of the broker are in the values.
    has_addresses: AtomicBool,
}

impl Quotas {
    /// Quotas without limits but the broker's own on connections.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        let window = |num, seconds| Window::new(values.int(num), values.int(seconds));
        let window_of_clients = window("quota.window.num", "quota.window.size.seconds");
        let window_of_mutations = window(
            "controller.quota.window.num",
            "controller.quota.window.size.seconds",
        );
        let clients = |kind| Guarded::new(ClientQuotas::new(kind, window_of_clients));
        let quotas = Self {
            started: (clock::now(), clock::instant()),
            produce: clients(Kind::Produce),
            fetch: clients(Kind::Fetch),
            request: clients(Kind::Request),
            mutation: Guarded::new(MutationQuotas::new(window_of_mutations)),
            connection: Guarded::new(ConnectionRates::new(window_of_clients)),
            has_addresses: AtomicBool::new(false),
        };
        quotas.configure(values);
        quotas
    }

    /// Takes over the limits of an image.
    pub(crate) fn follow(&self, image: &Image) {
        let limits = || {
            let entities = image.client_quotas();
            entities.flat_map(|(entity, values)| {
                values
                    .iter()
                    .map(move |(key, value)| (entity, &**key, *value))
            })
        };
        let table = Arc::new(Table::new(limits()));
        let has = |wanted: &str| limits().any(|(_, key, _)| key == wanted);
        let kinds = [
            (Kind::Produce, &self.produce),
            (Kind::Fetch, &self.fetch),
            (Kind::Request, &self.request),
        ];
        for (kind, quota) in kinds {
            quota.replace(has(kind.key()), |quota| quota.set_table(Arc::clone(&table)));
        }
        let has_mutation = has(Kind::Mutation.key());
        self.mutation
            .replace(has_mutation, |quota| quota.set_table(Arc::clone(&table)));
        self.has_addresses
            .store(has("connection_creation_rate"), Ordering::Relaxed);
        self.connection.lock().set_table(table);
    }

    /// Puts other values of the broker into force.
    pub(crate) fn configure(&self, values: &BrokerValues) {
        let rate_max = values.int("max.connection.creation.rate");
        let limit = (rate_max < i32::MAX).then(|| f64::from(rate_max));
        self.connection
            .replace(limit.is_some(), |rates| rates.set_limit(limit));
    }

    /// What happens to a new connection.
    pub(crate) fn admit(&self, address: IpAddr) -> Admission {
        let has_limit = self.connection.is_set.load(Ordering::Relaxed)
            || self.has_addresses.load(Ordering::Relaxed);
        if !has_limit {
            return Admission::Now;
        }
        // An address of IPv4 is the same one whatever the socket calls it.
        self.connection
            .lock()
            .admit(address.to_canonical(), self.now())
    }

    /// Time that a step of the wall clock does not move, or a rate would fall or rise with it.
    fn now(&self) -> Timestamp {
        let (started, instant) = self.started;
        let elapsed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        started.plus_ms(elapsed)
    }

    fn record(&self, quota: &Guarded<ClientQuotas>, context: &Context, amount: f64) -> Duration {
        match quota.active() {
            Some(mut quota) => wait(quota.record(client(context), amount, self.now())),
            None => Duration::ZERO,
        }
    }

    fn record_time(&self, context: &Context, busy: Duration) -> Duration {
        self.record(&self.request, context, busy.as_secs_f64() * PERCENT)
    }
}

impl Broker {
    /// How long the sender of a request has to wait that took `busy` to serve, or that changed
    /// topics beyond its quota.
    pub(crate) fn throttle_request(&self, context: &Context, busy: Duration) -> Duration {
        let quotas = self.quotas();
        quotas
            .record_time(context, busy)
            .max(context.throttle.get())
    }

    /// How long a producer has to wait that sent a request of `bytes`.
    pub(crate) fn throttle_produce(
        &self,
        context: &Context,
        bytes: usize,
        busy: Duration,
    ) -> Duration {
        let quotas = self.quotas();
        let by_time = quotas.record_time(context, busy);
        quotas
            .record(&quotas.produce, context, bytes as f64)
            .max(by_time)
    }

    /// How long a consumer has to wait that is about to get `bytes`. Where it has to wait at all it
    /// must get no records; they are not counted then.
    pub(crate) fn throttle_fetch(
        &self,
        context: &Context,
        bytes: usize,
        busy: Duration,
    ) -> Duration {
        let quotas = self.quotas();
        let by_time = quotas.record_time(context, busy);
        let by_bytes = quotas.record(&quotas.fetch, context, bytes as f64);
        let throttle = by_bytes.max(by_time);
        if !throttle.is_zero()
            && let Some(mut fetch) = quotas.fetch.active()
        {
            fetch.take_back(client(context), bytes as f64, quotas.now());
        }
        throttle
    }

    /// The most bytes that one fetch may carry: more would never fit the limit of the client.
    pub(crate) fn fetch_bytes_max(&self, context: &Context) -> usize {
        let amount_max = self
            .quotas()
            .fetch
            .active()
            .and_then(|fetch| fetch.amount_max(client(context)));
        amount_max.map_or(usize::MAX, |bytes| bytes as usize)
    }
}

fn client(context: &Context) -> Client<'_> {
    Client {
        user: ANONYMOUS,
        client_id: context.client_id.as_deref().unwrap_or_default(),
    }
}

fn wait(throttle_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(throttle_ms).unwrap_or(0))
}
