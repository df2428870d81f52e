//! Memory for requests is granted before their body is read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Unit of the budget; smaller requests need no grant, since a connection can hold only one.
const UNIT_BYTES: usize = 16 * 1024;

/// The budget of request bytes of the whole process (`queued.max.request.bytes`, a quarter of the
/// memory unless set).
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    units: Arc<Semaphore>,
    units_max: u32,
}

/// A granted part of the budget; given back when dropped.
pub(crate) type Grant = Option<OwnedSemaphorePermit>;

impl Admission {
    /// A budget of `bytes`, at least one unit.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = (bytes / UNIT_BYTES as u64).clamp(1, 1 << 28);
        let units_max = u32::try_from(units).expect("clamped to 28 bits");
        Self {
            units: Arc::new(Semaphore::new(units_max as usize)),
            units_max,
        }
    }

    /// True where a request of this size needs a grant.
    pub(crate) fn grants(bytes: usize) -> bool {
        bytes > UNIT_BYTES
    }

    /// Waits until `bytes` are free. A request larger than the whole budget gets all of it.
    ///
    /// # Cancel safety
    /// Nothing is taken where the future is dropped.
    pub(crate) async fn grant(&self, bytes: usize) -> Grant {
        if !Self::grants(bytes) {
            return None;
        }
        let units = u32::try_from(bytes / UNIT_BYTES)
            .unwrap_or(u32::MAX)
            .min(self.units_max);
        Arc::clone(&self.units).acquire_many_owned(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_beyond_the_budget_waits_for_the_whole_of_it() {
        let admission = Admission::new(64 * 1024);
        let first = admission.grant(32 * 1024).await;
        assert!(first.is_some());
        let mut huge = Box::pin(admission.grant(1 << 30));
        assert!(futures_poll(&mut huge).is_none());
        drop(first);
        assert!(huge.await.is_some());
        assert!(admission.grant(100).await.is_none());
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
