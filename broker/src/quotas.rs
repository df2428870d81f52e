//! stub
use std::time::Duration;
use milena_cluster::metadata::Image;
use milena_protocol::config::BrokerValues;
use crate::api::Context;
use crate::broker::Broker;
#[derive(Debug)]
pub(crate) struct Quotas;
impl Quotas {
    pub(crate) fn new(_: &BrokerValues) -> Self { Self }
    pub(crate) fn follow(&self, _: &Image) {}
}
impl Broker {
    pub(crate) fn throttle_request(&self, _: &Context) -> Duration { Duration::ZERO }
    pub(crate) fn throttle_produce(&self, _: &Context, _: usize) -> Duration { Duration::ZERO }
    pub(crate) fn throttle_fetch(&self, _: &Context, _: usize) -> Duration { Duration::ZERO }
}
