//! Fields that have one form before the flexible versions of an API (KIP-482) and another in them.
//! The hot codecs are compiled once for each.

use crate::wire::{Error, Reader, Writer};

pub(crate) fn string<'a, const FLEXIBLE: bool>(reader: &mut Reader<'a>) -> Result<&'a str, Error> {
    if FLEXIBLE {
        reader.compact_string()
    } else {
        reader.string()
    }
}

pub(crate) fn nullable_string<'a, const FLEXIBLE: bool>(
    reader: &mut Reader<'a>,
) -> Result<Option<&'a str>, Error> {
    if FLEXIBLE {
        reader.compact_nullable_string()
    } else {
        reader.nullable_string()
    }
}

/// Count of an array; elements have at least as many bytes as given, for either form.
pub(crate) fn array_len<const FLEXIBLE: bool>(
    reader: &mut Reader<'_>,
    element_bytes_min: usize,
) -> Result<usize, Error> {
    if FLEXIBLE {
        reader.compact_array_len(element_bytes_min)
    } else {
        reader.array_len(element_bytes_min)
    }
}

pub(crate) fn skip_tags<const FLEXIBLE: bool>(reader: &mut Reader<'_>) -> Result<(), Error> {
    if FLEXIBLE {
        reader.skip_tagged_fields()
    } else {
        Ok(())
    }
}

pub(crate) fn put_string(
    out: &mut Writer<'_>,
    is_flexible: bool,
    value: &str,
) -> Result<(), Error> {
    if is_flexible {
        out.put_compact_string(value)
    } else {
        out.put_string(value)
    }
}

pub(crate) fn put_nullable_string(
    out: &mut Writer<'_>,
    is_flexible: bool,
    value: Option<&str>,
) -> Result<(), Error> {
    if is_flexible {
        out.put_compact_nullable_string(value)
    } else {
        out.put_nullable_string(value)
    }
}

pub(crate) fn put_array_len(
    out: &mut Writer<'_>,
    is_flexible: bool,
    count: usize,
) -> Result<(), Error> {
    if is_flexible {
        out.put_compact_len(count)
    } else {
        out.put_array_len(count)
    }
}

/// Appends the end of a structure without tagged fields.
pub(crate) fn put_no_tags(out: &mut Writer<'_>, is_flexible: bool) {
    if is_flexible {
        out.put_no_tagged_fields();
    }
}

/// Appends the head of one tagged field.
pub(crate) fn put_tag(out: &mut Writer<'_>, tag: u32, size_bytes: u32) {
    out.put_unsigned_varint(tag);
    out.put_unsigned_varint(size_bytes);
}
