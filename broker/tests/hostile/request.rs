//! Valid requests of every API, and what mutations make of them.

use std::io::Write;
use std::net::TcpStream;

use milena_protocol::api;

use crate::batch::{TOPIC, create_topic};
use crate::body;
use crate::mutate::{Random, mutate};
use crate::server::{Server, answer, frame, header};
use crate::valid;

const PRODUCE: i16 = 0;
/// Requests whose answer may wait for others, or for as long as the request says.
const WAITING: [i16; 3] = [1, 11, 14];

/// Says which request it was where something fails.
struct Case<'a>(&'a str);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("request: {}", self.0);
        }
    }
}

/// Sends one request on a connection of its own. It is answered or the connection is closed.
fn exchange(server: &Server, seed: &[u8], case: &str) {
    let Some((key, version, body)) = body::parts(seed) else {
        return;
    };
    let _case = Case(case);
    let request = [&header(key, version, 77)[..], body].concat();
    let mut stream = server.connect();
    // Whoever gets an answer can go on.
    let next = header(api::API_VERSIONS, 0, 78);
    let both = [frame(&request), frame(&next)].concat();
    stream.write_all(&both).unwrap();
    // Nobody waits for the answer of these; their connection is gone when it is there.
    if !WAITING.contains(&key) {
        check_answers(key, &mut stream);
    }
    drop(stream);
    server.assert_alive(case);
}

fn check_answers(key: i16, stream: &mut TcpStream) {
    let mut expected: &[i32] = &[77, 78];
    while let Some(answer) = answer(stream) {
        let is_answer = |id: &i32| answer.starts_with(&id.to_be_bytes());
        // Records that want no acknowledgement get none.
        if key == PRODUCE && expected.len() == 2 && is_answer(&78) {
            return;
        }
        let (first, rest) = expected.split_first().unwrap();
        assert!(is_answer(first), "not the answer to {first}: {answer:?}");
        expected = rest;
        if expected.is_empty() {
            return;
        }
    }
}

fn name(seed: &[u8]) -> String {
    let (key, version, _) = body::parts(seed).unwrap_or_default();
    let api = api::info(key).map_or("no API", |api| api.name);
    format!("{api} version {version}: {seed:02x?}")
}

#[test]
fn every_version_of_every_api_is_answered_or_closed() {
    let server = Server::start();
    for seed in body::seeds() {
        exchange(&server, &seed, &name(&seed));
    }
}

#[test]
fn mutated_requests_are_answered_or_closed() {
    let server = Server::start();
    let seeds = body::seeds();
    let mut random = Random::new(33);
    for case in 0..3000 {
        let seed = mutate(&mut random, &seeds);
        let case = format!("seed 33, case {case}, {}", name(&seed));
        exchange(&server, &seed, &case);
    }
}

#[test]
fn mutated_requests_about_what_is_there_are_answered_or_closed() {
    let server = Server::start();
    create_topic(&mut server.connect(), &TOPIC);
    let seeds = valid::seeds();
    for seed in &seeds {
        exchange(&server, seed, &name(seed));
    }
    let mut random = Random::new(35);
    for case in 0..2500 {
        let seed = mutate(&mut random, &seeds);
        let case = format!("seed 35, case {case}, {}", name(&seed));
        exchange(&server, &seed, &case);
    }
}
