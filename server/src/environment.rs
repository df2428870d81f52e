//! Configuration from environment variables: `MILENA_LOG_SEGMENT_BYTES` and, as in Kafka's Docker
//! image, `KAFKA_LOG_SEGMENT_BYTES` are `log.segment.bytes`.
//!
//! | in the name | in the key |
//! |---|---|
//! | `_` | `.` |
//! | `__` | `_` |
//! | `___` | `-` |

use std::collections::BTreeMap;

/// Variables with our prefixes that are no configuration: our log filter, and what Kafka's own
/// start scripts and images read.
const NOT_KEYS: &[&str] = &[
    "MILENA_LOG",
    "KAFKA_VERSION",
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_HOME",
    "KAFKA_CLASSPATH",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_CMD_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
];

/// A value and the variable that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// Name of the variable.
    pub(crate) variable: String,
    /// The value as it stands there.
    pub(crate) value: String,
}

/// The configuration in `variables`, by key. Where both prefixes name one key, `MILENA_` counts.
pub(crate) fn values(
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, Value> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for (variable, value) in variables {
        let Some(key) = key(&variable) else { continue };
        let ours_stands = found
            .get(&key)
            .is_some_and(|other| other.variable.starts_with("MILENA_"));
        if !ours_stands {
            found.insert(key, Value { variable, value });
        }
    }
    found
}

/// The key that a variable names; none for variables that are no configuration.
fn key(variable: &str) -> Option<String> {
    let name = ["MILENA_", "KAFKA_"]
        .iter()
        .find_map(|prefix| variable.strip_prefix(prefix))?;
    if name.is_empty() || NOT_KEYS.contains(&variable) || is_service_link(name) {
        return None;
    }
    let mut key = String::with_capacity(name.len());
    let mut underscores = 0;
    for character in name.chars() {
        if character == '_' {
            underscores += 1;
            continue;
        }
        push_underscores(&mut key, underscores);
        underscores = 0;
        key.extend(character.to_lowercase());
    }
    push_underscores(&mut key, underscores);
    Some(key)
}

fn push_underscores(key: &mut String, count: usize) {
    for _ in 0..count / 3 {
        key.push('-');
    }
    match count % 3 {
        1 => key.push('.'),
        2 => key.push('_'),
        _ => {}
    }
}

/// True for what Kubernetes and Docker links set in every container beside a service that is called
/// `kafka` or `milena`: `KAFKA_SERVICE_HOST`, `KAFKA_PORT`, `KAFKA_PORT_9092_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    name == "PORT" || name.starts_with("PORT_") || name.starts_with("SERVICE_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        for (variable, expected) in [
            ("KAFKA_LOG_SEGMENT_BYTES", Some("log.segment.bytes")),
            ("MILENA_LOG_SEGMENT_BYTES", Some("log.segment.bytes")),
            ("KAFKA_NODE_ID", Some("node.id")),
            ("MILENA_DURABILITY", Some("durability")),
            ("KAFKA_A__B", Some("a_b")),
            ("KAFKA_A___B_C", Some("a-b.c")),
            ("KAFKA_A____B", Some("a-.b")),
            (
                "KAFKA_LISTENER_NAME_IN___OUT_SSL_KEY",
                Some("listener.name.in-out.ssl.key"),
            ),
            ("MILENA_LOG", None),
            ("KAFKA_HEAP_OPTS", None),
            ("KAFKA_", None),
            ("KAFKA", None),
            ("kafka_log_dirs", None),
            ("KAFKA_PORT", None),
            ("KAFKA_PORT_9092_TCP_ADDR", None),
            ("KAFKA_SERVICE_HOST", None),
            ("PATH", None),
        ] {
            assert_eq!(key(variable).as_deref(), expected, "{variable}");
        }
    }

    #[test]
    fn our_prefix_counts_where_both_name_a_key() {
        let pair = |variable: &str, value: &str| (variable.to_owned(), value.to_owned());
        let ours = pair("MILENA_NODE_ID", "1");
        let theirs = pair("KAFKA_NODE_ID", "2");
        for variables in [vec![ours.clone(), theirs.clone()], vec![theirs, ours]] {
            let found = values(variables);
            assert_eq!(found["node.id"].value, "1");
            assert_eq!(found["node.id"].variable, "MILENA_NODE_ID");
        }
    }
}
