//! DescribeLogDirs, whose version 5 says which directories take no new replicas (KIP-1066).

use kafka_protocol::messages::DescribeLogDirsResponse;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::wire::{Error, Writer};

/// Appends the body of a response of version 5. `is_cordoned` is asked once for the path of every
/// directory. Unknown tagged fields are not written.
///
/// # Errors
/// [`Error::TooLong`] for a path or a name of a topic above 32,767 bytes.
pub fn encode_v5(
    response: &DescribeLogDirsResponse,
    is_cordoned: &dyn Fn(&str) -> bool,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    out.put_i32(response.throttle_time_ms);
    out.put_i16(response.error_code);
    out.put_compact_len(response.results.len())?;
    for result in &response.results {
        encode_result(result, is_cordoned(&result.log_dir), out)?;
    }
    out.put_no_tagged_fields();
    Ok(())
}

fn encode_result(
    result: &DescribeLogDirsResult,
    is_cordoned: bool,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    out.put_i16(result.error_code);
    out.put_compact_string(&result.log_dir)?;
    out.put_compact_len(result.topics.len())?;
    for topic in &result.topics {
        encode_topic(topic, out)?;
    }
    out.put_i64(result.total_bytes);
    out.put_i64(result.usable_bytes);
    out.put_bool(is_cordoned);
    out.put_no_tagged_fields();
    Ok(())
}

fn encode_topic(topic: &DescribeLogDirsTopic, out: &mut Writer<'_>) -> Result<(), Error> {
    out.put_compact_string(&topic.name)?;
    out.put_compact_len(topic.partitions.len())?;
    for partition in &topic.partitions {
        out.put_i32(partition.partition_index);
        out.put_i64(partition.partition_size);
        out.put_i64(partition.offset_lag);
        out.put_bool(partition.is_future_key);
        out.put_no_tagged_fields();
    }
    out.put_no_tagged_fields();
    Ok(())
}
