//! The metadata image as the state that the metadata log replays.

use bytes::BytesMut;
use milena_cluster::metadata::{self as cluster, Image};
use milena_protocol::stored::metadata::Record;

use crate::metadata::{Position, Replayed, Undecodable};

/// First bytes of a snapshot: a length, then as many records, each with its length.
const LENGTH_BYTES: usize = 4;

impl Replayed for Image {
    type Record = Record;

    fn digest(&self) -> u128 {
        Image::digest(self).0
    }

    fn apply(&mut self, record: &Record, at: Position) {
        self.advance(cluster::Position {
            offset: at.offset,
            epoch: at.epoch,
        });
        Image::apply(self, record);
    }

    fn encode_record(record: &Record, buffer: &mut Vec<u8>) {
        let mut out = BytesMut::new();
        // The latest version of every record carries all that an older one does.
        record
            .encode_version(record.latest_version(), &mut out)
            .expect("the controller has encoded every record that it decided");
        buffer.extend_from_slice(&out);
    }

    fn decode_record(bytes: &[u8]) -> Result<Record, Undecodable> {
        Record::decode(bytes).map_err(|error| Undecodable(error.to_string()))
    }

    fn encode_snapshot(&self, buffer: &mut Vec<u8>) {
        put(buffer, self.cluster_id().as_bytes());
        buffer.extend_from_slice(&Image::digest(self).0.to_be_bytes());
        let position = self.position();
        buffer.extend_from_slice(&position.offset.0.to_be_bytes());
        buffer.extend_from_slice(&position.epoch.0.to_be_bytes());
        for record in Image::encode_snapshot(self) {
            let mut bytes = Vec::new();
            Self::encode_record(&record, &mut bytes);
            put(buffer, &bytes);
        }
    }

    fn decode_snapshot(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut rest = bytes;
        let cluster_id = take(&mut rest)?;
        let cluster_id = std::str::from_utf8(cluster_id)
            .map_err(|_| Undecodable("cluster id is not UTF-8".to_owned()))?;
        let digest = cluster::Digest(u128::from_be_bytes(fixed(&mut rest)?));
        let position = cluster::Position {
            offset: milena_protocol::Offset(i64::from_be_bytes(fixed(&mut rest)?)),
            epoch: milena_protocol::LeaderEpoch(i32::from_be_bytes(fixed(&mut rest)?)),
        };
        let mut records = Vec::new();
        while !rest.is_empty() {
            records.push(Self::decode_record(take(&mut rest)?)?);
        }
        Ok(Image::from_records(cluster_id, &records, position, digest))
    }
}

fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a metadata record is far below 4 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Undecodable> {
    let (first, after) = rest
        .split_first_chunk::<N>()
        .ok_or_else(|| Undecodable("snapshot ends early".to_owned()))?;
    *rest = after;
    Ok(*first)
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Undecodable> {
    let length = u32::from_be_bytes(fixed::<LENGTH_BYTES>(rest)?) as usize;
    let (bytes, after) = rest
        .split_at_checked(length)
        .ok_or_else(|| Undecodable("snapshot ends early".to_owned()))?;
    *rest = after;
    Ok(bytes)
}
