//! Bytes that are no frames, or frames of no request.

use std::io::Write;

use milena_protocol::api;

use crate::mutate::Random;
use crate::server::{Server, answer, frame, header, send_and_drain};

#[test]
fn garbage_ends_its_own_connection_only() {
    let server = Server::start();
    let mut random = Random::new(31);
    for case in 0..300 {
        let bytes: Vec<u8> = (0..=random.below(3000)).map(|_| random.byte()).collect();
        send_and_drain(&mut server.connect(), &bytes);
        server.assert_alive(&format!("seed 31, case {case}"));
    }
}

#[test]
fn framed_garbage_ends_its_own_connection_only() {
    let server = Server::start();
    let mut random = Random::new(32);
    for case in 0..300 {
        let mut bytes: Vec<u8> = (0..=random.below(300)).map(|_| random.byte()).collect();
        // Half of them are of some API.
        if case % 2 == 0 {
            let key = random.pick(api::APIS).key.to_be_bytes();
            bytes.splice(0..0, key.into_iter().chain([0, random.byte() % 16]));
        }
        let bytes = frame(&bytes);
        if bytes.get(4..6) != Some(&[0, 1]) {
            send_and_drain(&mut server.connect(), &bytes);
        }
        server.assert_alive(&format!("seed 32, case {case}"));
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_at_once() {
    let server = Server::start();
    for length in [-1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1, -100] {
        let mut stream = server.connect();
        stream.write_all(&length.to_be_bytes()).unwrap();
        // Nobody waits for the rest.
        assert_eq!(answer(&mut stream), None, "length {length}");
        server.assert_alive(&format!("length {length}"));
    }
    // Nothing is in them, so no API is asked for.
    let mut stream = server.connect();
    stream.write_all(&[0; 8]).unwrap();
    assert_eq!(answer(&mut stream), None);
}

#[test]
fn frames_that_end_early_end_with_their_connection() {
    let server = Server::start();
    let request = frame(&header(api::API_VERSIONS, 0, 5));
    for end in 0..request.len() {
        let answers = send_and_drain(&mut server.connect(), &request[..end]);
        assert!(answers.is_empty(), "{end} bytes");
    }
    server.assert_alive("frames that ended early");
    // Those that only stay open do not keep others waiting.
    let open: Vec<_> = (0..request.len())
        .map(|end| {
            let mut stream = server.connect();
            stream.write_all(&request[..end]).unwrap();
            (stream, end)
        })
        .collect();
    server.assert_alive("frames that are not complete");
    for (mut stream, end) in open {
        stream.write_all(&request[end..]).unwrap();
        assert_eq!(answer(&mut stream).unwrap()[..4], [0, 0, 0, 5]);
    }
}

#[test]
fn a_frame_in_single_bytes_is_answered() {
    let server = Server::start();
    let mut stream = server.connect();
    for byte in frame(&header(api::API_VERSIONS, 0, 6)) {
        stream.write_all(&[byte]).unwrap();
        stream.flush().unwrap();
    }
    assert_eq!(answer(&mut stream).unwrap()[..6], [0, 0, 0, 6, 0, 0]);
}

#[test]
fn unknown_keys_and_versions_close_but_versions_are_told() {
    let server = Server::start();
    for key in [-1, 4, 5, 6, 7, 93, 1000, i16::MAX, i16::MIN] {
        let answers = send_and_drain(&mut server.connect(), &frame(&header(key, 0, 7)));
        assert!(answers.is_empty(), "key {key}");
    }
    for api in api::APIS.iter().filter(|api| api.key != api::API_VERSIONS) {
        for version in [-1, i16::MIN, api.max_version + 1, i16::MAX] {
            let bytes = frame(&header(api.key, version, 8));
            let answers = send_and_drain(&mut server.connect(), &bytes);
            assert!(answers.is_empty(), "{} version {version}", api.name);
        }
    }
    for version in [-1, 5, 100, i16::MAX] {
        let mut stream = server.connect();
        let bytes = frame(&header(api::API_VERSIONS, version, 9));
        stream.write_all(&bytes).unwrap();
        // UNSUPPORTED_VERSION in the layout of version 0 (KIP-511).
        assert_eq!(answer(&mut stream).unwrap()[..6], [0, 0, 0, 9, 0, 35]);
    }
    server.assert_alive("unknown keys and versions");
}
