//! How requests name a topic: by name, and by id where the version has ids (KIP-516).

use std::ops::Range;

use crate::TopicId;
use crate::flexible::{put_string, string};
use crate::wire::{Error, Reader, Writer};

/// A topic by name or by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    /// By name.
    Name(&'a str),
    /// By id.
    Id(TopicId),
}

/// A [`TopicRef`] that does not borrow from the request body it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicSpan {
    /// The bytes of the body, `[start, end)`, that hold the name.
    Name(Range<usize>),
    /// The id itself.
    Id(TopicId),
}

impl TopicSpan {
    /// The topic. `body` is the request body that this was read from; in another one the name is
    /// empty or any other text.
    #[must_use]
    pub fn resolve<'a>(&self, body: &'a [u8]) -> TopicRef<'a> {
        match self {
            Self::Name(range) => {
                let name = body
                    .get(range.clone())
                    .and_then(|name| str::from_utf8(name).ok());
                TopicRef::Name(name.unwrap_or_default())
            }
            Self::Id(id) => TopicRef::Id(*id),
        }
    }

    /// Reads a topic; `has_id` where the version names topics by id.
    pub(crate) fn read<const FLEXIBLE: bool>(
        reader: &mut Reader<'_>,
        has_id: bool,
    ) -> Result<Self, Error> {
        if has_id {
            return Ok(Self::Id(TopicId(reader.uuid()?)));
        }
        let name = string::<FLEXIBLE>(reader)?;
        let end = reader.position();
        Ok(Self::Name(end - name.len()..end))
    }
}

impl TopicRef<'_> {
    /// Appends the topic. A topic that is named in the other way becomes no id or no name; answers
    /// carry what their request had, so this does not occur.
    pub(crate) fn put(
        self,
        out: &mut Writer<'_>,
        is_flexible: bool,
        has_id: bool,
    ) -> Result<(), Error> {
        match (self, has_id) {
            (Self::Id(id), true) => out.put_uuid(id.0),
            (Self::Name(_), true) => out.put_uuid(TopicId::ZERO.0),
            (Self::Name(name), false) => put_string(out, is_flexible, name)?,
            (Self::Id(_), false) => put_string(out, is_flexible, "")?,
        }
        Ok(())
    }
}
