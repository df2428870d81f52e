//! What consumers of the classic protocol put into the bytes of JoinGroup and SyncGroup
//! (`ConsumerProtocolSubscription`, `ConsumerProtocolAssignment`).
//!
//! Both begin with a version, int16. A later version only adds to the fields of an earlier one, so
//! one that is not known is read as the last that is.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use milena_protocol::PartitionIndex;
use milena_protocol::wire::{Error, Reader, Writer};

use super::member::Assignment;
use crate::group::topics::TopicView;

/// The last version that is written and whose fields are known.
const VERSION_MAX: i16 = 3;

/// The subscription of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct Subscription {
    pub(in crate::group) version: i16,
    pub(in crate::group) topics: Vec<String>,
    /// What the member has (version 1); nothing before that.
    pub(in crate::group) owned: Vec<(String, Vec<PartitionIndex>)>,
    /// Its rack (version 3); empty is none.
    pub(in crate::group) rack_id: Option<String>,
}

impl Subscription {
    /// Reads a subscription.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub(in crate::group) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?.clamp(0, VERSION_MAX);
        let mut topics = Vec::new();
        for _ in 0..reader.array_len(2)? {
            topics.push(reader.string()?.to_owned());
        }
        reader.nullable_bytes()?;
        let owned = if version >= 1 {
            read_partitions(&mut reader)?
        } else {
            Vec::new()
        };
        if version >= 2 {
            // The generation of what is owned, which the coordinator knows better.
            reader.i32()?;
        }
        let rack_id = if version >= 3 {
            reader.nullable_string()?.map(str::to_owned)
        } else {
            None
        };
        Ok(Self {
            version,
            topics,
            owned,
            rack_id: rack_id.filter(|rack| !rack.is_empty()),
        })
    }

    /// What the member has, of topics that exist.
    pub(in crate::group) fn owned(&self, topics: &TopicView) -> Assignment {
        with_ids(&self.owned, topics)
    }
}

/// Reads an assignment. None where an assignor of the client's own has put something into it.
///
/// # Errors
/// Where the bytes are none.
pub(in crate::group) fn read_assignment(
    bytes: &[u8],
    topics: &TopicView,
) -> Result<Option<Assignment>, Error> {
    let mut reader = Reader::new(bytes);
    reader.i16()?;
    let partitions = read_partitions(&mut reader)?;
    let user_data = reader.nullable_bytes()?;
    if user_data.is_some_and(|bytes| !bytes.is_empty()) {
        return Ok(None);
    }
    Ok(Some(with_ids(&partitions, topics)))
}

/// The bytes of an assignment; topics that do not exist are left out. Empty where it is too large
/// to be written, which no assignment of existing topics is.
pub(in crate::group) fn write_assignment(
    assignment: &Assignment,
    version: i16,
    topics: &TopicView,
) -> Bytes {
    let mut by_name = BTreeMap::new();
    for (id, partitions) in assignment {
        if let Some(topic) = topics.topic_of_id(*id) {
            by_name.insert(topic.name.as_str(), partitions);
        }
    }
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    let mut write = || -> Result<(), Error> {
        writer.put_i16(version.clamp(0, VERSION_MAX));
        writer.put_array_len(by_name.len())?;
        for (name, partitions) in &by_name {
            writer.put_string(name)?;
            writer.put_array_len(partitions.len())?;
            for partition in *partitions {
                writer.put_i32(partition.0);
            }
        }
        writer.put_nullable_bytes(None)
    };
    match write() {
        Ok(()) => out.freeze(),
        Err(_) => Bytes::new(),
    }
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<PartitionIndex>)>, Error> {
    let mut topics = Vec::new();
    for _ in 0..reader.array_len(6)? {
        let name = reader.string()?.to_owned();
        let mut partitions = Vec::new();
        for _ in 0..reader.array_len(4)? {
            partitions.push(PartitionIndex(reader.i32()?));
        }
        topics.push((name, partitions));
    }
    Ok(topics)
}

fn with_ids(by_name: &[(String, Vec<PartitionIndex>)], topics: &TopicView) -> Assignment {
    let mut assignment = Assignment::new();
    for (name, partitions) in by_name {
        let Some(topic) = topics.topic(name) else {
            continue;
        };
        let existing = partitions.iter().filter(|it| topic.has_partition(**it));
        assignment.entry(topic.id).or_default().extend(existing);
    }
    assignment.retain(|_, partitions| !partitions.is_empty());
    assignment
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use milena_protocol::TopicId;
    use uuid::Uuid;

    use super::*;
    use crate::group::topics::Topic;

    fn view() -> TopicView {
        TopicView::new(
            1,
            [Topic {
                name: "t".into(),
                id: TopicId(Uuid::from_u128(1)),
                racks: vec![BTreeSet::new(); 2],
            }],
        )
    }

    #[test]
    fn subscriptions_of_all_versions_are_read() {
        let start = |version: u8| vec![0, version, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255];
        let owned = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 1];
        let generation = [0, 0, 0, 7];
        let rack = [0, 1, b'r'];
        let v0 = start(0);
        let v1 = [&start(1)[..], &owned].concat();
        let v2 = [&start(2)[..], &owned, &generation].concat();
        let v3 = [&start(3)[..], &owned, &generation, &rack].concat();
        let v9 = [&start(9)[..], &owned, &generation, &rack, &[1, 2, 3]].concat();
        for (version, bytes) in [(0, v0), (1, v1), (2, v2), (3, v3), (3, v9)] {
            let read = Subscription::read(&bytes).unwrap();
            assert_eq!(read.version, version);
            assert_eq!(read.topics, ["t"]);
            assert_eq!(read.owned.is_empty(), version == 0);
            assert_eq!(read.rack_id.is_some(), version == 3);
            for end in 0..bytes.len().min(13) {
                assert!(
                    Subscription::read(&bytes[..end]).is_err(),
                    "{version} {end}"
                );
            }
        }
    }

    #[test]
    fn assignments_round_trip() {
        let id = TopicId(Uuid::from_u128(1));
        let assignment = Assignment::from([(id, BTreeSet::from([PartitionIndex(1)]))]);
        let bytes = write_assignment(&assignment, 1, &view());
        assert_eq!(read_assignment(&bytes, &view()), Ok(Some(assignment)));
        let mut custom = bytes.to_vec();
        custom.truncate(bytes.len() - 4);
        custom.extend([0, 0, 0, 1, 9]);
        assert_eq!(read_assignment(&custom, &view()), Ok(None));
        let unknown = Assignment::from([(
            TopicId(Uuid::from_u128(2)),
            BTreeSet::from([PartitionIndex(0)]),
        )]);
        let bytes = write_assignment(&unknown, 1, &view());
        assert_eq!(
            read_assignment(&bytes, &view()),
            Ok(Some(Assignment::new()))
        );
    }
}
