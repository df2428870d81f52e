//! Creates and deletes topics: CreateTopics v4 and DeleteTopics v3, both without tagged fields.

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use milena_protocol::ErrorCode;
use milena_protocol::frame;
use milena_protocol::wire::{Reader, Writer};
use serde_json::{Value, json};

use crate::connection::{Connection, begin, error_of};
use crate::flags::Flags;

const TIMEOUT_MS: i32 = 30_000;

/// `create-topic`: with one replica; a topic that is there already is left as it is.
///
/// # Errors
/// What the broker refuses.
pub(crate) async fn create(flags: &Flags) -> Result<Value> {
    let topic = flags.text("topic")?;
    let partitions: i32 = flags.or("partitions", 1)?;
    let configs: Vec<&str> = flags.all("config").collect();
    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, 19, 4, false)?;
    out.put_array_len(1)?;
    out.put_string(topic)?;
    out.put_i32(partitions);
    out.put_i16(1);
    out.put_array_len(0)?;
    out.put_array_len(configs.len())?;
    for config in configs {
        let (key, value) = config.split_once('=').context("--config is key=value")?;
        out.put_string(key)?;
        out.put_nullable_string(Some(value))?;
    }
    out.put_i32(TIMEOUT_MS);
    out.put_bool(false);
    frame::finish(&mut out, &mark)?;

    let reply = Connection::open(flags.text("bootstrap")?)
        .await?
        .call(&request)
        .await?;
    let mut reader = Reader::new(&reply);
    reader.skip(8)?; // correlation id, throttle time
    reader.array_len(2)?;
    reader.string()?;
    let code = reader.i16()?;
    let message = reader.nullable_string()?.unwrap_or_default();
    let is_there = [ErrorCode::None, ErrorCode::TopicAlreadyExists].contains(&error_of(code)?);
    if !is_there {
        bail!("create {topic}: {:?} {message}", error_of(code)?);
    }
    Ok(json!({"topic": topic, "partitions": partitions}))
}

/// `delete-topic`.
///
/// # Errors
/// What the broker refuses.
pub(crate) async fn delete(flags: &Flags) -> Result<Value> {
    let topic = flags.text("topic")?;
    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, 20, 3, false)?;
    out.put_array_len(1)?;
    out.put_string(topic)?;
    out.put_i32(TIMEOUT_MS);
    frame::finish(&mut out, &mark)?;

    let reply = Connection::open(flags.text("bootstrap")?)
        .await?
        .call(&request)
        .await?;
    let mut reader = Reader::new(&reply);
    reader.skip(8)?; // correlation id, throttle time
    reader.array_len(2)?;
    reader.string()?;
    let code = error_of(reader.i16()?)?;
    if code != ErrorCode::None {
        bail!("delete {topic}: {code:?}");
    }
    Ok(json!({"topic": topic}))
}
