//! What Produce and Fetch responses say about new leaders, so that a client need not ask for
//! metadata first (KIP-951).

use bytes::BytesMut;

use crate::flexible::put_tag;
use crate::wire::{Error, Writer};
use crate::{BrokerId, LeaderEpoch};

/// Leader of a partition as a response tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The leader, or none where it is not known.
    pub leader_id: BrokerId,
    /// Epoch of that leader.
    pub leader_epoch: LeaderEpoch,
}

/// Where a broker that a response names is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEndpoint<'a> {
    /// The broker.
    pub node_id: BrokerId,
    /// Host of the listener that the request came in by.
    pub host: &'a str,
    /// Port of that listener.
    pub port: i32,
    /// Rack of the broker, where it has one.
    pub rack: Option<&'a str>,
}

impl CurrentLeader {
    /// Appends the tagged field.
    pub(crate) fn put_tagged(self, out: &mut Writer<'_>, tag: u32) {
        put_tag(out, tag, 9);
        out.put_i32(self.leader_id.0);
        out.put_i32(self.leader_epoch.0);
        out.put_no_tagged_fields();
    }
}

/// Appends the tagged fields of a response: its node endpoints with tag 0, if there are any.
pub(crate) fn put_tagged_endpoints(
    out: &mut Writer<'_>,
    endpoints: &[NodeEndpoint<'_>],
) -> Result<(), Error> {
    if endpoints.is_empty() {
        out.put_no_tagged_fields();
        return Ok(());
    }
    // Only an answer that sends a client elsewhere has endpoints: one small buffer is cheap then.
    let mut field = BytesMut::new();
    let mut value = Writer::new(&mut field);
    value.put_compact_len(endpoints.len())?;
    for endpoint in endpoints {
        value.put_i32(endpoint.node_id.0);
        value.put_compact_string(endpoint.host)?;
        value.put_i32(endpoint.port);
        value.put_compact_nullable_string(endpoint.rack)?;
        value.put_no_tagged_fields();
    }
    out.put_unsigned_varint(1);
    out.put_unsigned_varint(0);
    // The value of a tagged field has its plain size in front, not size + 1.
    let size_bytes = u32::try_from(field.len()).map_err(|_| Error::TooLong {
        length: u32::MAX,
        max: u32::MAX,
    })?;
    out.put_unsigned_varint(size_bytes);
    out.put_slice(&field);
    Ok(())
}
