//! Random ids in Kafka's form: 16 bytes as 22 characters of URL-safe base64.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use milena_protocol::TopicId;
use uuid::Builder;

/// A new random id. As Kafka's, it begins with no dash, so that tools take it as an argument.
///
/// # Errors
/// A system without randomness.
pub(crate) fn random() -> Result<TopicId> {
    loop {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("read /dev/urandom")?;
        let id = TopicId(Builder::from_random_bytes(bytes).into_uuid());
        if !id.to_string().starts_with('-') {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_read_back_and_differ() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        let text = one.to_string();
        assert_eq!(text.len(), 22);
        assert!(!text.starts_with('-'));
        assert_eq!(TopicId::parse(&text), Some(one));
    }
}
