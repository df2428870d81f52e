//! Identity, roles, listeners, metadata quorum.

use crate::config::broker::{INTERNAL, LIST, META, ONE, REMOVED, SOME_LIST};
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, Distinct, OneOf};

pub(super) const KEYS: &[Key] = keys! {
    "node.id" => Int, required, AtLeast(0), High, ReadOnly, Works,
        "Id of this node, unique in the cluster.";
    "process.roles" => List, required, Distinct { allowed: Some(&["broker", "controller"]), may_be_empty: false }, High, ReadOnly, Works,
        "Roles of this process: broker, controller or both.";
    "broker.id" => Int, "-1", Any, High, ReadOnly, Works,
        "Older name of node.id.";
    "broker.rack" => String, null, Any, Medium, ReadOnly, Works,
        "Rack (availability zone) of this broker, as clients and assignors see it.";
    "listeners" => List, "PLAINTEXT://:9092", SOME_LIST, High, PerBroker, Works,
        "Addresses on which this node listens, as NAME://host:port; an empty host is every interface.";
    "advertised.listeners" => List, null, SOME_LIST, High, ReadOnly, Works,
        "Addresses that clients are told to use; the listeners where null.";
    "listener.security.protocol.map" => String, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Any, Low, PerBroker, Works,
        "Security protocol of each listener name, as NAME:PROTOCOL.";
    "inter.broker.listener.name" => String, null, Any, Medium, ReadOnly, NoEffect(ONE),
        "Listener that brokers use among themselves.";
    "security.inter.broker.protocol" => String, "PLAINTEXT", OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium, ReadOnly, NoEffect(ONE),
        "Security protocol among brokers, where no listener is named for it.";
    "controller.listener.names" => List, required, SOME_LIST, High, ReadOnly, Works,
        "Listeners on which a controller serves.";
    "early.start.listeners" => List, null, LIST, High, ReadOnly, NoEffect(ONE),
        "Listeners that open before the authorizer is ready.";
    "controller.quorum.bootstrap.servers" => List, "", Any, High, ReadOnly, Works,
        "Addresses of controllers to find the quorum through.";
    "controller.quorum.voters" => List, "", Any, High, ReadOnly, Works,
        "Voters of a static quorum, as id@host:port.";
    "controller.quorum.auto.join.enable" => Boolean, "false", Any, Low, ReadOnly, NoEffect(ONE),
        "Lets a controller add itself to the voters.";
    "controller.quorum.election.timeout.ms" => Int, "1000", AtLeast(0), High, ReadOnly, NoEffect(ONE),
        "How long a candidate waits for votes before a new election, in milliseconds.";
    "controller.quorum.election.backoff.max.ms" => Int, "1000", AtLeast(0), High, ReadOnly, NoEffect(ONE),
        "Longest pause before another election, in milliseconds.";
    "controller.quorum.fetch.timeout.ms" => Int, "2000", AtLeast(0), High, ReadOnly, NoEffect(ONE),
        "How long a voter hears nothing from the leader before it becomes a candidate, in milliseconds.";
    "controller.quorum.request.timeout.ms" => Int, "2000", AtLeast(0), Medium, ReadOnly, NoEffect(ONE),
        "How long a request among voters may take, in milliseconds.";
    "controller.quorum.retry.backoff.ms" => Int, "20", AtLeast(0), Low, ReadOnly, NoEffect(ONE),
        "Pause before a request among voters is repeated, in milliseconds.";
    "controller.quorum.append.linger.ms" => Int, "25", AtLeast(0), Medium, ReadOnly, NoEffect(ONE),
        "How long metadata records are gathered before they are written, in milliseconds.";
    "controller.quorum.fetch.max.bytes" => Int, "1048576", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Largest fetch of the metadata log, in bytes.";
    "controller.quorum.fetch.snapshot.max.bytes" => Int, "1048576", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "Largest piece of a metadata snapshot in one fetch, in bytes.";
    "controller.socket.timeout.ms" => Int, "30000", Any, Medium, ReadOnly, NoEffect(ONE),
        "How long a request to the controller may take, in milliseconds.";
    "broker.heartbeat.interval.ms" => Int, "2000", Any, Medium, ReadOnly, NoEffect(ONE),
        "Time between heartbeats to the controller, in milliseconds.";
    "broker.session.timeout.ms" => Int, "9000", Any, Medium, ReadOnly, NoEffect(ONE),
        "A broker without heartbeats is fenced after this, in milliseconds.";
    "initial.broker.registration.timeout.ms" => Int, "60000", Any, Medium, ReadOnly, NoEffect(ONE),
        "How long a starting broker tries to register, in milliseconds.";
    "controlled.shutdown.enable" => Boolean, "true", Any, Medium, ReadOnly, NoEffect(ONE),
        "Moves leaders away before a broker stops.";
    "metadata.log.dir" => String, null, Any, High, ReadOnly, Works,
        "Directory of the metadata log; the first log directory where null.";
    "metadata.log.segment.bytes" => Int, "1073741824", AtLeast(8_388_608), High, ReadOnly, NoEffect(META),
        "Largest segment of the metadata log, in bytes.";
    "metadata.log.segment.ms" => Long, "604800000", Any, High, ReadOnly, NoEffect(META),
        "Oldest segment of the metadata log before it is closed, in milliseconds.";
    "metadata.log.max.record.bytes.between.snapshots" => Long, "20971520", AtLeast(1), High, ReadOnly, NoEffect(META),
        "A snapshot of the metadata is written after so many bytes of records.";
    "metadata.log.max.snapshot.interval.ms" => Long, "3600000", AtLeast(0), High, ReadOnly, NoEffect(META),
        "A snapshot of the metadata is written at least this often, in milliseconds; 0 switches it off.";
    "metadata.max.retention.bytes" => Long, "104857600", Any, High, ReadOnly, NoEffect(META),
        "Size of metadata log and snapshots above which old ones go, in bytes.";
    "metadata.max.retention.ms" => Long, "604800000", Any, High, ReadOnly, NoEffect(META),
        "Age of metadata segments and snapshots above which they go, in milliseconds.";
    "metadata.max.idle.interval.ms" => Int, "500", AtLeast(0), Low, ReadOnly, NoEffect(ONE),
        "An idle controller writes a no-op record this often, in milliseconds; 0 switches it off.";
    "controller.performance.always.log.threshold.ms" => Long, "2000", AtLeast(0), Medium, ReadOnly, NoEffect(INTERNAL),
        "A controller event that takes longer is logged, in milliseconds." [hidden];
    "controller.performance.sample.period.ms" => Long, "60000", AtLeast(100), Medium, ReadOnly, NoEffect(INTERNAL),
        "Time over which controller events are summed, in milliseconds." [hidden];
    "internal.metadata.delete.delay.millis" => Long, "60000", Any, Low, ReadOnly, NoEffect(INTERNAL),
        "Time between marking a metadata file as deleted and unlinking it, in milliseconds." [hidden];
    "internal.metadata.log.segment.bytes" => Int, null, Any, Low, ReadOnly, NoEffect(INTERNAL),
        "Segment size of the metadata log in tests, in bytes." [hidden];
    "internal.metadata.max.batch.size.in.bytes" => Int, "8388608", Any, Low, ReadOnly, NoEffect(INTERNAL),
        "Largest batch of metadata records, in bytes." [hidden];
    "server.max.startup.time.ms" => Long, "9223372036854775807", AtLeast(0), Medium, ReadOnly, NoEffect(INTERNAL),
        "How long a start may take, in milliseconds." [hidden];
    "unstable.api.versions.enable" => Boolean, "false", Any, High, ReadOnly, Works,
        "Serves versions of APIs that are not final: with transaction.two.phase.commit.enable version 6 of InitProducerId." [hidden];
    "unstable.feature.versions.enable" => Boolean, "false", Any, High, ReadOnly, NoEffect(INTERNAL),
        "Allows feature levels that are not final." [hidden];
    "inter.broker.protocol.version" => String, null, Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older version of the protocol among brokers; the feature metadata.version replaced it." [hidden];
    "broker.id.generation.enable" => Boolean, "true", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older switch of broker ids that are made up." [hidden];
    "reserved.broker.max.id" => Int, "1000", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Largest broker id that was not made up." [hidden];
    "control.plane.listener.name" => String, null, Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older listener for requests of the controller." [hidden];
    "zookeeper.connect" => String, null, Any, Low, ReadOnly, NoEffect(REMOVED),
        "Address of ZooKeeper." [hidden];
    "zookeeper.connection.timeout.ms" => Int, null, Any, Low, ReadOnly, NoEffect(REMOVED),
        "Timeout of the connection to ZooKeeper, in milliseconds." [hidden];
    "zookeeper.session.timeout.ms" => Int, "18000", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Timeout of the session with ZooKeeper, in milliseconds." [hidden];
};
