//! Which names topics may have.

use milena_protocol::ErrorCode;

use crate::metadata::{Error, Image};

/// Most characters of a name, so that folders of partitions have valid names.
const CHARACTERS_MAX: usize = 249;

/// Checks the name of a topic: 1 to 249 ASCII letters, digits, `.`, `_`, `-`, neither `.` nor
/// `..` (`Topic.validate`).
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION`.
pub fn check_topic_name(name: &str) -> Result<(), Error> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.chars().count() > CHARACTERS_MAX {
        format!("the length of '{name}' is longer than the max allowed length {CHARACTERS_MAX}")
    } else if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorCode::InvalidTopicException,
        format!("Topic name is invalid: {reason}"),
    ))
}

/// Checks the name of a topic that is to be created.
pub(super) fn check_new_name(image: &Image, name: &str) -> Result<(), Error> {
    if image.topic(name).is_some() {
        return Err(Error::new(
            ErrorCode::TopicAlreadyExists,
            format!("Topic '{name}' already exists."),
        ));
    }
    check_topic_name(name)?;
    if name.contains(['.', '_'])
        && let Some(similar) = image.similar_topic(name)
    {
        return Err(Error::new(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {similar}"),
        ));
    }
    Ok(())
}
