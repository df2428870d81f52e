//! The quota of created and deleted partitions (KIP-599).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use milena_cluster::metadata::Error;

use super::{client, wait};
use crate::api::Context;
use crate::broker::Broker;

/// How long the sender of a request has to wait for what it changes, in milliseconds. Set while the
/// request is served.
#[derive(Debug, Default)]
pub(crate) struct Throttle(AtomicI64);

impl Throttle {
    /// The longest wait that was set.
    pub(crate) fn get(&self) -> Duration {
        wait(self.0.load(Ordering::Relaxed))
    }

    fn raise(&self, throttle_ms: i64) {
        self.0.fetch_max(throttle_ms, Ordering::Relaxed);
    }
}

impl Broker {
    /// True where changes of topics have to be taken from a quota before they are made.
    pub(crate) fn limits_mutations(&self, context: &Context) -> bool {
        let quota = self.quotas().mutation.active();
        quota.is_some_and(|quota| quota.has_limit(client(context)))
    }

    /// Takes a valid change of `partitions` partitions from the quota of the client. Clients from
    /// version `strict_from` on understand that it is refused; others wait afterwards.
    ///
    /// # Errors
    /// `THROTTLING_QUOTA_EXCEEDED` where the quota was used up before.
    pub(crate) fn take_mutations(
        &self,
        context: &Context,
        strict_from: i16,
        partitions: usize,
    ) -> Result<(), Error> {
        let quotas = self.quotas();
        let Some(mut quota) = quotas.mutation.active() else {
            return Ok(());
        };
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        let (client, now) = (client(context), quotas.now());
        if context.version < strict_from {
            context
                .throttle
                .raise(quota.take_anyway(client, partitions, now));
            return Ok(());
        }
        quota.take(client, partitions, now).map_err(|exceeded| {
            context.throttle.raise(exceeded.throttle_ms);
            Error::new(exceeded.code(), "the throttling quota has been exceeded")
        })
    }
}
