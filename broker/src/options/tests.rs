use super::*;

fn read(mode: Mode, values: &[(&str, &str)]) -> Result<Options, Vec<String>> {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Options::from_values(values.collect(), mode)
        .map(|(options, _)| options)
        .map_err(|faults| faults.into_iter().map(|fault| fault.key).collect())
}

#[test]
fn dev_needs_no_key() {
    let options = read(Mode::Dev, &[]).expect("options");
    assert_eq!(options.id, BrokerId(1));
    assert_eq!(options.log_dirs, [PathBuf::from("milena-data")]);
    assert_eq!(options.metadata_dir, PathBuf::from("milena-data"));
    assert_eq!(options.listeners[0].host, "localhost");
}

#[test]
fn every_fault_is_reported_at_once() {
    let faults = read(
        Mode::Server,
        &[
            ("listeners", "PLAINTEXT://0.0.0.0:9092,nonsense"),
            ("num.partitions", "zero"),
            ("process.roles", "broker,king"),
        ],
    )
    .expect_err("faults");
    for key in [
        "node.id",
        "listeners",
        "num.partitions",
        "process.roles",
        "advertised.listeners",
    ] {
        assert!(faults.iter().any(|fault| fault == key), "{key}: {faults:?}");
    }
}

#[test]
fn all_addresses_need_an_advertised_one() {
    let listeners = ("listeners", "PLAINTEXT://0.0.0.0:9092");
    assert_eq!(
        read(Mode::Dev, &[listeners]).expect_err("refused"),
        ["advertised.listeners"]
    );
    let advertised = ("advertised.listeners", "PLAINTEXT://10.0.0.1:9092");
    assert!(read(Mode::Dev, &[listeners, advertised]).is_ok());
    let meta = ("advertised.listeners", "PLAINTEXT://0.0.0.0:9092");
    assert_eq!(
        read(Mode::Dev, &[listeners, meta]).expect_err("refused"),
        ["advertised.listeners"]
    );
}

#[test]
fn a_controller_listener_is_not_bound() {
    let options = read(
        Mode::Server,
        &[
            ("node.id", "3"),
            ("process.roles", "broker,controller"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("controller.quorum.bootstrap.servers", "localhost:9093"),
            (
                "listener.security.protocol.map",
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            ),
        ],
    )
    .expect("options");
    assert_eq!(options.listeners.len(), 1);
    assert_eq!(options.id, BrokerId(3));
}

#[test]
fn what_is_not_served_is_refused() {
    for (key, value) in [
        ("listeners", "SSL://127.0.0.1:9093"),
        ("controller.quorum.voters", "1@a:9093,2@b:9093"),
        ("process.roles", "controller"),
        ("listener.security.protocol.map", "foo"),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,A:TLS",
        ),
        ("listener.security.protocol.map", ":PLAINTEXT"),
    ] {
        assert!(read(Mode::Dev, &[(key, value)]).is_err(), "{key}={value}");
    }
}

#[test]
fn an_unreadable_node_id_is_a_fault_among_others() {
    for id in ["abc", "", "-5", "99999999999", "1.5"] {
        let faults = read(
            Mode::Server,
            &[("node.id", id), ("process.roles", "broker,king")],
        )
        .expect_err("faults");
        for key in ["node.id", "process.roles"] {
            let count = faults.iter().filter(|fault| *fault == key).count();
            assert_eq!(count, 1, "{id}: {faults:?}");
        }
    }
}

#[test]
fn a_server_needs_its_roles() {
    let id = ("node.id", "1");
    let faults = read(Mode::Server, &[id]).expect_err("faults");
    assert!(faults.contains(&"process.roles".to_owned()), "{faults:?}");
}

#[test]
fn what_has_no_effect_is_told_by_its_key() {
    let values = [
        ("nmu.partitions", "3"),
        ("num.io.threads", "8"),
        ("num.network.threads", "3"),
        ("num.partitions", "3"),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let (_, warnings) = Options::from_values(values.into(), Mode::Dev).expect("options");
    assert_eq!(warnings.unknown_keys, ["nmu.partitions"]);
    let without_effect = ["num.io.threads", "num.network.threads"];
    assert_eq!(warnings.keys_without_effect, without_effect);
}
