//! SIGTERM: what is under way is ended in order and soon, whatever the clients are at.

use std::io::Read as _;
use std::net::TcpStream;
use std::thread;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{
    FetchRequest, FindCoordinatorRequest, GroupId, JoinGroupRequest, ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;
use milena_conformance::broker::Broker;
use milena_conformance::partition::{FETCH, Fetch, PRODUCE, Partition, batch};
use milena_conformance::wire::{Connection, request_payload};
use rustix::process::{Pid, Signal};

const NOT_COORDINATOR: i16 = 16;
const MEMBER_ID_REQUIRED: i16 = 79;
/// What the broker logs where it does not wait any longer for its connections.
const CUT: &str = "connections are cut off";

fn signal(broker: &Broker) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(broker.pid()?)?).context("a process id")?;
    rustix::process::kill_process(pid, Signal::TERM).context("signal the broker")
}

fn is_clean(broker: &Broker) -> Result<bool> {
    Ok(broker.data()?.join(".kafka_cleanshutdown").exists())
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("stop"))
}

fn join(member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(300_000)
        .with_rebalance_timeout_ms(300_000)
        .with_member_id(StrBytes::from_string(member.to_owned()))
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
}

/// Two connections of one group: the first is a member, the second waits until the first joins
/// again, which it does not.
fn members(broker: &Broker) -> Result<(Connection, Connection, i32)> {
    let mut first = Connection::open(broker.address())?;
    let mut second = Connection::open(broker.address())?;
    let key = FindCoordinatorRequest::default().with_key(group().0);
    first.call(3, &key)?;
    let member = |connection: &mut Connection| -> Result<String> {
        for _ in 0..100_000 {
            let answer = connection.call(5, &join(""))?;
            match answer.error_code {
                MEMBER_ID_REQUIRED => return Ok(answer.member_id.to_string()),
                14..=16 => {}
                code => anyhow::bail!("join was answered with error {code}"),
            }
        }
        anyhow::bail!("the coordinator does not serve")
    };
    let id = member(&mut first)?;
    ensure!(
        first.call(5, &join(&id))?.error_code == 0,
        "the first member joins"
    );
    let id = member(&mut second)?;
    let waits = second.send(5, &join(&id))?;
    Ok((first, second, waits))
}

#[test]
fn waiting_clients_do_not_hold_up_the_stop() -> Result<()> {
    let mut broker = Broker::start(&[])?;
    let idle = Connection::open(broker.address())?;
    let mut partition = Partition::create(&broker, &[])?;
    let waiting = partition.fetch_request(Fetch {
        max_wait_ms: 300_000,
        ..Fetch::at(0)
    });
    let fetch = partition.connection.send(FETCH, &waiting)?;
    let (_first, mut second, join) = members(&broker)?;
    // Half a request.
    let mut half = Connection::open(broker.address())?;
    half.write(&[0, 0, 1, 0, 0, 18, 0, 0])?;

    let status = broker.stop()?;
    ensure!(status.success(), "ended with {status}");
    // Answered, or closed without an answer.
    if let Ok(answer) = partition.connection.receive::<FetchRequest>(FETCH, fetch) {
        assert_eq!(answer.error_code, 0);
    }
    if let Ok(answer) = second.receive::<JoinGroupRequest>(5, join) {
        assert_eq!(answer.error_code, NOT_COORDINATOR);
    }
    let log = broker.log()?;
    ensure!(
        !log.contains(CUT) && !log.contains("in time"),
        "the stop waited:\n{log}"
    );
    ensure!(is_clean(&broker)?, "no clean marker");
    drop(idle);
    broker.restart()?;
    assert_eq!(partition.reconnect(&broker)?.end()?, 0);
    Ok(())
}

#[test]
fn load_ends_with_answers_and_a_clean_log() -> Result<()> {
    let mut broker = Broker::start(&[])?;
    let partition = Partition::create(&broker, &[])?;
    let acknowledged = thread::scope(|scope| -> Result<i64> {
        let (told, ticks) = std::sync::mpsc::channel();
        let mut producers = Vec::new();
        for _ in 0..4 {
            let mut partition = partition.reconnect(&broker)?;
            let told = told.clone();
            producers.push(scope.spawn(move || -> Result<i64> {
                let mut count = 0;
                let mut ids = std::collections::VecDeque::new();
                loop {
                    // Always more under way than one answer frees: the connection is never idle.
                    while ids.len() < 20 {
                        let request = partition.produce_request(-1, 0, batch(&[b"v", b"w"])?);
                        match partition.connection.send(PRODUCE, &request) {
                            Ok(id) => ids.push_back(id),
                            Err(_) => break,
                        }
                    }
                    let Some(id) = ids.pop_front() else {
                        return Ok(count);
                    };
                    let answer = partition.connection.receive::<ProduceRequest>(PRODUCE, id);
                    let Ok(answer) = answer else { return Ok(count) };
                    let code = answer.responses[0].partition_responses[0].error_code;
                    ensure!(code == 0, "an append was answered with error {code}");
                    count += 2;
                    let _ = told.send(());
                }
            }));
        }
        for _ in 0..200 {
            ticks.recv()?;
        }
        let status = broker.stop()?;
        ensure!(status.success(), "ended with {status}");
        let mut sum = 0;
        for producer in producers {
            sum += producer
                .join()
                .map_err(|_| anyhow::anyhow!("a producer panicked"))??;
        }
        Ok(sum)
    })?;
    let log = broker.log()?;
    ensure!(
        !log.contains(CUT) && !log.contains("in time"),
        "the stop waited:\n{log}"
    );
    ensure!(is_clean(&broker)?, "no clean marker");
    broker.restart()?;
    let end = partition.reconnect(&broker)?.end()?;
    ensure!(
        end >= acknowledged,
        "{acknowledged} were acknowledged, {end} are there"
    );
    ensure!(
        !broker.log()?.contains("cut off"),
        "something was recovered"
    );
    Ok(())
}

/// A connection to which the broker sends more than the system buffers, and which does not read.
fn stalled(broker: &Broker) -> Result<TcpStream> {
    let mut partition = Partition::create(broker, &[])?;
    for _ in 0..24 {
        let answer = partition.produce(batch(&[&[b's'; 1_000_000]])?)?;
        ensure!(answer.error_code == 0, "error {}", answer.error_code);
    }
    let fetch = Fetch {
        partition_max_bytes: 50 << 20,
        ..Fetch::at(0)
    };
    let payload = request_payload(1, FETCH, &partition.fetch_request(fetch))?;
    let mut frame = u32::try_from(payload.len())?.to_be_bytes().to_vec();
    frame.extend_from_slice(&payload);
    let mut stream = TcpStream::connect(broker.address())?;
    std::io::Write::write_all(&mut stream, &frame)?;
    let mut length = [0; 4];
    stream
        .read_exact(&mut length)
        .context("the answer begins")?;
    ensure!(u32::from_be_bytes(length) > 20_000_000, "a short answer");
    Ok(stream)
}

#[test]
fn reader_that_has_stalled_is_cut_off() -> Result<()> {
    let mut broker = Broker::start(&[])?;
    let _stalled = stalled(&broker)?;
    let status = broker.stop()?;
    ensure!(status.success(), "ended with {status}");
    let log = broker.log()?;
    ensure!(log.contains(CUT), "it was not cut off:\n{log}");
    ensure!(!log.contains("in time"), "tasks went on:\n{log}");
    ensure!(is_clean(&broker)?, "no clean marker");
    Ok(())
}

#[test]
fn second_signal_ends_the_broker_at_once() -> Result<()> {
    let mut broker = Broker::start(&[])?;
    let mut idle = Connection::open(broker.address())?;
    // The stop waits for this reader for a while.
    let _stalled = stalled(&broker)?;
    signal(&broker)?;
    // The first signal has been taken when connections are closed.
    assert_eq!(idle.read_frame()?, None);
    let status = broker.insist()?;
    ensure!(
        !status.success(),
        "ended with {status}, as if all had been put in order"
    );
    ensure!(
        !is_clean(&broker)?,
        "the logs were not closed, and are said to be clean"
    );
    broker.restart()?;
    Ok(())
}
