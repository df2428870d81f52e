//! A broker on the directory of another one in which bytes of one file have changed: it starts or
//! says what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use milena_protocol::batch::Compression;

use crate::batch::{TOPIC, built, create_topic, produce};
use crate::mutate::{Random, mutate};
use crate::server::Server;

/// Files below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

/// A directory after a stop, as files with their content.
fn written() -> Vec<(PathBuf, Vec<u8>)> {
    let server = Server::start();
    let mut stream = server.connect();
    create_topic(&mut stream, &TOPIC);
    for _ in 0..20 {
        assert_eq!(produce(&mut stream, &built(Compression::None, 300)), 0);
    }
    drop(stream);
    let directory = server.stop();
    let mut found = Vec::new();
    files(directory.path(), &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(directory.path()).unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn a_broker_starts_on_changed_files_or_says_what_is_wrong() {
    let written = written();
    let mut random = Random::new(34);
    for case in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let changed = &written[random.below(written.len())].0;
        // Half of them as after a crash: then everything is looked into.
        let is_clean = case % 2 == 0;
        for (name, content) in &written {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut content = content.clone();
            if name == changed {
                content = mutate(&mut random, &[content]);
            }
            if is_clean || !name.ends_with(".kafka_cleanshutdown") {
                fs::write(path, content).unwrap();
            }
        }
        let case = format!("seed 34, case {case}, {}", changed.display());
        match Server::start_in(directory) {
            Ok(server) => {
                server.assert_alive(&case);
                server.stop();
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{case}"),
        }
        Server::assert_no_panic(&case);
    }
}
