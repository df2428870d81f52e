//! Fields of metadata records and the macro that makes a codec of a list of fields.

use bytes::BytesMut;
use uuid::Uuid;

use super::Error;
use crate::id::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};
use crate::wire::{self, Reader, Writer};

/// A value with a form on the wire of flexible versions.
pub(super) trait Field: Sized {
    /// Fewest bytes of a value.
    const BYTES_MIN: usize;

    /// Takes a value of a record of the given version from the front.
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error>;

    /// Appends the value in the form of the given version.
    fn write(&self, out: &mut Writer<'_>, version: i16) -> Result<(), Error>;
}

macro_rules! scalar {
    ($($type:ty, $bytes:literal, $read:ident, $put:ident;)*) => {$(
        impl Field for $type {
            const BYTES_MIN: usize = $bytes;

            fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
                reader.$read()
            }

            fn write(&self, out: &mut Writer<'_>, _version: i16) -> Result<(), Error> {
                out.$put(*self);
                Ok(())
            }
        }
    )*};
}

scalar! {
    i8, 1, i8, put_i8;
    i16, 2, i16, put_i16;
    u16, 2, u16, put_u16;
    f64, 8, f64, put_f64;
    bool, 1, bool, put_bool;
    Uuid, 16, uuid, put_uuid;
}

macro_rules! newtype {
    ($($type:ident, $bytes:literal, $read:ident, $put:ident;)*) => {$(
        impl Field for $type {
            const BYTES_MIN: usize = $bytes;

            fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
                Ok(Self(reader.$read()?))
            }

            fn write(&self, out: &mut Writer<'_>, _version: i16) -> Result<(), Error> {
                out.$put(self.0);
                Ok(())
            }
        }
    )*};
}

newtype! {
    BrokerId, 4, i32, put_i32;
    BrokerEpoch, 8, i64, put_i64;
    LeaderEpoch, 4, i32, put_i32;
    PartitionIndex, 4, i32, put_i32;
    ProducerId, 8, i64, put_i64;
    TopicId, 16, uuid, put_uuid;
}

impl Field for i32 {
    const BYTES_MIN: usize = 4;

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        reader.i32()
    }

    fn write(&self, out: &mut Writer<'_>, _version: i16) -> Result<(), Error> {
        out.put_i32(*self);
        Ok(())
    }
}

impl Field for String {
    const BYTES_MIN: usize = 1;

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        Ok(reader.compact_string()?.to_owned())
    }

    fn write(&self, out: &mut Writer<'_>, _version: i16) -> Result<(), Error> {
        Ok(out.put_compact_string(self)?)
    }
}

impl Field for Option<String> {
    const BYTES_MIN: usize = 1;

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        Ok(reader.compact_nullable_string()?.map(str::to_owned))
    }

    fn write(&self, out: &mut Writer<'_>, _version: i16) -> Result<(), Error> {
        Ok(out.put_compact_nullable_string(self.as_deref())?)
    }
}

/// Capacity that is reserved for an array before its elements were seen.
const RESERVED_MAX: usize = 1024;

impl<T: Field> Field for Option<Vec<T>> {
    const BYTES_MIN: usize = 1;

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error> {
        let Some(count) = reader.compact_nullable_array_len(T::BYTES_MIN)? else {
            return Ok(None);
        };
        let mut values = Vec::with_capacity(count.min(RESERVED_MAX));
        for _ in 0..count {
            values.push(T::read(reader, version)?);
        }
        Ok(Some(values))
    }

    fn write(&self, out: &mut Writer<'_>, version: i16) -> Result<(), Error> {
        match self {
            Some(values) => write_array(values, out, version),
            None => {
                out.put_compact_null();
                Ok(())
            }
        }
    }
}

impl<T: Field> Field for Vec<T> {
    const BYTES_MIN: usize = 1;

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error> {
        <Option<Self> as Field>::read(reader, version)?.ok_or(wire::Error::Null)
    }

    fn write(&self, out: &mut Writer<'_>, version: i16) -> Result<(), Error> {
        write_array(self, out, version)
    }
}

fn write_array<T: Field>(values: &[T], out: &mut Writer<'_>, version: i16) -> Result<(), Error> {
    out.put_compact_len(values.len())?;
    for value in values {
        value.write(out, version)?;
    }
    Ok(())
}

/// Appends the tagged fields: tag and bytes of the value, ascending by tag.
pub(super) fn put_tagged_fields(
    fields: &[(u32, BytesMut)],
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let count = u32::try_from(fields.len()).unwrap_or(u32::MAX);
    out.put_unsigned_varint(count);
    for (tag, value) in fields {
        let size = u32::try_from(value.len())
            .map_err(|_| wire::Error::too_long(value.len(), 0xffff_ffff))?;
        out.put_unsigned_varint(*tag);
        out.put_unsigned_varint(size);
        out.put_slice(value);
    }
    Ok(())
}

/// Equality of values of one type, which lets the defaults of fields be inferred.
pub(super) fn is_same<T: PartialEq>(a: &T, b: &T) -> bool {
    a == b
}

/// Defines a structure and its codec. A field has the versions from `since` up and `default`
/// below; tagged fields are given in ascending order of their tags and are left out of the bytes
/// where they have their default.
macro_rules! structure {
    (
        $(#[$doc:meta])*
        $name:ident, bytes_min $bytes_min:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, since $since:literal;)*
        } tagged {
            $($(#[$tag_doc:meta])* $tag:literal $tag_field:ident: $tag_type:ty = $tag_default:expr, since $tag_since:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            $($(#[$tag_doc])* pub $tag_field: $tag_type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($tag_field: $tag_default,)*
                }
            }
        }

        impl $crate::stored::metadata::field::Field for $name {
            const BYTES_MIN: usize = $bytes_min;

            #[allow(unused_variables, unused_mut, reason = "records without fields ignore some arguments")]
            fn read(
                reader: &mut $crate::wire::Reader<'_>,
                version: i16,
            ) -> Result<Self, $crate::wire::Error> {
                let mut value = Self::default();
                $(if version >= $since {
                    value.$field = $crate::stored::metadata::field::Field::read(reader, version)?;
                })*
                reader.tagged_fields(|tag, mut field| {
                    match tag {
                        $($tag if version >= $tag_since => {
                            value.$tag_field =
                                $crate::stored::metadata::field::Field::read(&mut field, version)?;
                            field.end()?;
                        })*
                        _ => {}
                    }
                    Ok(())
                })?;
                Ok(value)
            }

            #[allow(unused_mut, unused_variables, reason = "records without tagged fields ignore some values")]
            fn write(
                &self,
                out: &mut $crate::wire::Writer<'_>,
                version: i16,
            ) -> Result<(), $crate::stored::metadata::Error> {
                $(if version >= $since {
                    $crate::stored::metadata::field::Field::write(&self.$field, out, version)?;
                } else if !$crate::stored::metadata::field::is_same(&self.$field, &$default) {
                    return Err($crate::stored::metadata::Error::FieldNotInVersion {
                        field: stringify!($field),
                        version,
                    });
                })*
                let mut tagged: Vec<(u32, bytes::BytesMut)> = Vec::new();
                $(if !$crate::stored::metadata::field::is_same(&self.$tag_field, &$tag_default) {
                    if version < $tag_since {
                        return Err($crate::stored::metadata::Error::FieldNotInVersion {
                            field: stringify!($tag_field),
                            version,
                        });
                    }
                    let mut bytes = bytes::BytesMut::new();
                    $crate::stored::metadata::field::Field::write(
                        &self.$tag_field,
                        &mut $crate::wire::Writer::new(&mut bytes),
                        version,
                    )?;
                    tagged.push(($tag, bytes));
                })*
                $crate::stored::metadata::field::put_tagged_fields(&tagged, out)
            }
        }
    };
}

pub(super) use structure;
