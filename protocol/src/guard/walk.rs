//! Interprets the table over a body.

use std::mem;

use super::ELEMENTS_MAX;
use super::shape::{Field, Kind, Request};
use crate::wire::{Error, Reader};

/// Walks a whole body; returns elements and tagged fields together, or the field that is wrong.
pub(super) fn walk(
    request: &Request,
    version: i16,
    body: &[u8],
) -> Result<usize, (&'static str, Error)> {
    let mut walk = Walk {
        reader: Reader::new(body),
        version,
        is_flexible: request.flexible.contains(version),
        elements: 0,
        field: request.name,
    };
    // Bytes behind the body are ignored, as Kafka does: librdkafka 2.16 sends three after a flexible
    // Metadata request for all topics.
    match walk.structure(request.fields) {
        Ok(()) => Ok(walk.elements),
        Err(error) => Err((walk.field, error)),
    }
}

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    is_flexible: bool,
    /// Elements of arrays and tagged fields so far.
    elements: usize,
    /// Name of the field at the reader, for the error.
    field: &'static str,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), Error> {
        for field in fields {
            if field.versions.contains(self.version) && !field.is_tagged(self.version) {
                self.value(field)?;
            }
        }
        if self.is_flexible {
            self.field = "tagged fields";
            self.tagged_fields(fields)?;
        }
        Ok(())
    }

    fn tagged_fields(&mut self, fields: &[Field]) -> Result<(), Error> {
        let count = self.reader.tagged_field_count()?;
        self.add_elements(count)?;
        for _ in 0..count {
            let (tag, value) = self.reader.tagged_field()?;
            let Some(field) = self.known_tag(fields, tag) else {
                continue;
            };
            let after = mem::replace(&mut self.reader, value);
            self.value(field)?;
            self.reader.end()?;
            self.reader = after;
        }
        Ok(())
    }

    fn known_tag<'f>(&self, fields: &'f [Field], tag: u32) -> Option<&'f Field> {
        fields.iter().find(|field| {
            field.versions.contains(self.version)
                && field.tag.is_some_and(|(number, versions)| {
                    number == tag && versions.contains(self.version)
                })
        })
    }

    fn value(&mut self, field: &Field) -> Result<(), Error> {
        self.field = field.name;
        let is_nullable = field.nullable.contains(self.version);
        match field.kind {
            Kind::Fixed(size) => self.reader.skip(usize::from(size)),
            Kind::String => self.string(is_nullable),
            Kind::Bytes => self.bytes(is_nullable),
            Kind::Struct(fields) => {
                if is_nullable && !self.reader.nullable_struct()? {
                    return Ok(());
                }
                self.structure(fields)
            }
            Kind::FixedArray(size) => {
                let size = usize::from(size);
                let count = self.array(is_nullable, size)?;
                self.reader.skip(count.saturating_mul(size))
            }
            Kind::StringArray => {
                for _ in 0..self.array(is_nullable, 1)? {
                    self.string(false)?;
                }
                Ok(())
            }
            Kind::StructArray(size_min, fields) => {
                for _ in 0..self.array(is_nullable, usize::from(size_min))? {
                    self.structure(fields)?;
                }
                Ok(())
            }
        }
    }

    fn string(&mut self, is_nullable: bool) -> Result<(), Error> {
        let length = if self.is_flexible {
            self.reader.compact_string_length()?
        } else {
            self.reader.string_length()?
        };
        match length {
            Some(length) => self.reader.skip(length),
            None => null(is_nullable),
        }
    }

    fn bytes(&mut self, is_nullable: bool) -> Result<(), Error> {
        let bytes = if self.is_flexible {
            self.reader.compact_nullable_bytes()?
        } else {
            self.reader.nullable_bytes()?
        };
        match bytes {
            Some(_) => Ok(()),
            None => null(is_nullable),
        }
    }

    fn array(&mut self, is_nullable: bool, element_bytes_min: usize) -> Result<usize, Error> {
        let count = if self.is_flexible {
            self.reader.compact_nullable_array_len(element_bytes_min)?
        } else {
            self.reader.nullable_array_len(element_bytes_min)?
        };
        match count {
            Some(count) => {
                self.add_elements(count)?;
                Ok(count)
            }
            None => null(is_nullable).map(|()| 0),
        }
    }

    fn add_elements(&mut self, count: usize) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > ELEMENTS_MAX {
            return Err(Error::too_many_elements(self.elements, ELEMENTS_MAX));
        }
        Ok(())
    }
}

fn null(is_nullable: bool) -> Result<(), Error> {
    if is_nullable {
        Ok(())
    } else {
        Err(Error::Null)
    }
}
