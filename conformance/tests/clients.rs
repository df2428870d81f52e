//! Every stock client against every area that its driver covers. A test names one of each; the
//! cases are in the driver, under `clients/`.

use anyhow::Result;
use milena_conformance::driver::{Client, check};

/// One test for each area of one client.
macro_rules! client {
    ($module:ident, $client:ident: $($area:ident)*) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $area() -> Result<()> {
                    check(Client::$client, stringify!($area))
                }
            )*
        }
    };
}

client!(aiokafka, Aiokafka: produce consume group admin transaction);
client!(confluent_kafka, ConfluentKafka: produce consume group consumer_group admin transaction);
client!(java, Java: produce consume group consumer_group admin transaction);
client!(kafka_python, KafkaPython: produce consume group admin transaction);
client!(kafkajs, Kafkajs: produce consume group admin transaction);
client!(kcat, Kcat: produce consume group);
client!(sarama, Sarama: produce consume group admin transaction);
client!(tools, Tools: topics records groups consumer_group cluster transaction);
