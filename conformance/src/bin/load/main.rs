//! Load driver for benchmarks: the same frames to any broker that speaks the Kafka protocol, with as
//! little work per record as possible, so that it is the broker that is measured.
//!
//! | command | what it does |
//! |---|---|
//! | `create-topic`, `delete-topic` | as they say |
//! | `produce` | producers that send one record at a time with acks=all and wait for its reply |
//! | `transact` | one transactional producer, one transaction after the other |
//! | `commit-offsets`, `await-offsets` | offsets of many groups, and how long until all are there |
//! | `first` | starts a server and measures the time to its first acknowledged record |
//! | `sync-floor` | write and `fdatasync` in a loop: what no durable broker can undercut |
//!
//! Every command prints one line of JSON.

mod connection;
mod first;
mod flags;
mod offsets;
mod produce;
mod sample;
mod sync_floor;
mod topic;
mod transaction;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::flags::Flags;

const USAGE: &str = "load COMMAND [--name value]... [-- SERVER ARGUMENTS...]
  create-topic --bootstrap HOST:PORT --topic T [--partitions N] [--config key=value]...
  delete-topic --bootstrap HOST:PORT --topic T
  produce      --bootstrap HOST:PORT --topic T [--partitions N] [--producers N] [--record-bytes N]
               [--warmup-seconds S] [--seconds S] [--reconnect true]
  transact     --bootstrap HOST:PORT --topic T [--records N] [--requests N] [--plain true]
               [--record-bytes N] [--warmup-seconds S] [--seconds S]
  commit-offsets --bootstrap HOST:PORT --topic T [--groups N] [--connections N]
               [--warmup-seconds S] [--seconds S]
  await-offsets  --bootstrap HOST:PORT --topic T [--groups N]
  first        --bootstrap HOST:PORT --topic T [--log FILE] -- SERVER ARGUMENTS...
  sync-floor   --directory DIR [--record-bytes N] [--seconds S]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(report) => {
            let printed = writeln!(std::io::stdout(), "{report}");
            if printed.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<Value> {
    let Some((command, rest)) = arguments.split_first() else {
        bail!("{USAGE}");
    };
    let flags = Flags::parse(rest)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    match command.as_str() {
        "create-topic" => runtime.block_on(topic::create(&flags)),
        "delete-topic" => runtime.block_on(topic::delete(&flags)),
        "produce" => runtime.block_on(produce::run(&flags)),
        "transact" => runtime.block_on(transaction::run(&flags)),
        "commit-offsets" => runtime.block_on(offsets::commit(&flags)),
        "await-offsets" => runtime.block_on(offsets::await_all(&flags)),
        "first" => runtime.block_on(first::run(&flags)),
        "sync-floor" => sync_floor::run(&flags),
        _ => bail!("{USAGE}"),
    }
}
