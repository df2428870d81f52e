//! What is announced costs nothing until it comes.

use std::io::Write;

use crate::server::Server;

const CONNECTIONS: usize = 400;
const ANNOUNCED_BYTES: u32 = 100 * 1024 * 1024;
/// What the process may grow by, far below what is announced.
const GROWTH_BYTES_MAX: usize = 128 << 20;

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: usize = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024
}

#[test]
fn announced_bytes_are_not_resident() {
    let server = Server::start();
    server.assert_alive("the start");
    let before = resident_bytes();
    let open: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(&ANNOUNCED_BYTES.to_be_bytes()).unwrap();
            stream.write_all(&[0; 1000]).unwrap();
            stream
        })
        .collect();
    server.assert_alive("large frames");
    let after = resident_bytes();
    assert!(
        after < before + GROWTH_BYTES_MAX,
        "{before} bytes before, {after} after"
    );
    drop(open);
    server.assert_alive("the end of large frames");
}

#[test]
fn many_declared_elements_are_refused_before_they_are_made() {
    let server = Server::start();
    server.assert_alive("the start");
    let before = resident_bytes();
    for case in 0..300 {
        // Metadata version 1: an array of two thousand million topics.
        let body = [&i32::MAX.to_be_bytes()[..], &[0; 64]].concat();
        let request = [&crate::server::header(3, 1, case)[..], &body].concat();
        let bytes = crate::server::frame(&request);
        let answers = crate::server::send_and_drain(&mut server.connect(), &bytes);
        assert!(answers.is_empty());
    }
    server.assert_alive("declared elements");
    let after = resident_bytes();
    assert!(
        after < before + GROWTH_BYTES_MAX,
        "{before} bytes before, {after} after"
    );
}
