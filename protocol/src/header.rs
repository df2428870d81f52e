//! Headers of requests and responses.
//!
//! | request header | type | |
//! |---|---|---|
//! | api key | int16 | |
//! | api version | int16 | |
//! | correlation id | int32 | |
//! | client id | nullable string | with an int16 length in every version, so that any broker can read it |
//! | tagged fields | | version 2 only, for flexible versions of an API |
//!
//! | response header | type | |
//! |---|---|---|
//! | correlation id | int32 | |
//! | tagged fields | | version 1 only, for flexible versions of an API but ApiVersions |

use crate::api;
use crate::wire::{self, Reader, Writer};

/// Header of a request, versions 1 and 2. The client id borrows from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// Key of the API; one that [`api::info`] knows.
    pub api_key: i16,
    /// Version of the API; not checked against what is served.
    pub api_version: i16,
    /// Number that the response repeats.
    pub correlation_id: i32,
    /// Name that the client gives itself.
    pub client_id: Option<&'a str>,
}

/// Why a header cannot be read. Kafka closes the connection in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a header.
    #[error("request header: {0}")]
    Malformed(#[from] wire::Error),
    /// No API has this key, so the version of the header is unknown.
    #[error("request for unknown api key {api_key} version {api_version}")]
    UnknownApi {
        /// The key as it was read.
        api_key: i16,
        /// The version as it was read.
        api_version: i16,
    },
}

impl<'a> RequestHeader<'a> {
    /// Reads the header at the start of a frame (without its length); returns the header and the
    /// offset of the body in `frame`, in bytes.
    ///
    /// Versions beyond those that are served have a header too: [`api::ApiInfo::serves`] is for
    /// the caller to ask. Of ApiVersions every version must be answered (KIP-511).
    ///
    /// # Errors
    /// [`Error::UnknownApi`]; [`Error::Malformed`] with the limits of [`Reader::tagged_fields`].
    pub fn parse(frame: &'a [u8]) -> Result<(Self, usize), Error> {
        let mut reader = Reader::new(frame);
        let header = Self {
            api_key: reader.i16()?,
            api_version: reader.i16()?,
            correlation_id: reader.i32()?,
            client_id: None,
        };
        let Some(api) = api::info(header.api_key) else {
            return Err(Error::UnknownApi {
                api_key: header.api_key,
                api_version: header.api_version,
            });
        };
        let client_id = reader.nullable_string()?;
        if api.is_flexible(header.api_version) {
            reader.skip_tagged_fields()?;
        }
        let header = Self {
            client_id,
            ..header
        };
        Ok((header, reader.position()))
    }
}

/// Appends the header of a response. `version` is that of [`api::ApiInfo::response_header_version`].
///
/// # Panics
/// For versions other than 0 and 1.
pub fn write_response(out: &mut Writer<'_>, correlation_id: i32, version: i16) {
    assert!(
        version == 0 || version == 1,
        "response headers have versions 0 and 1, not {version}"
    );
    out.put_i32(correlation_id);
    if version == 1 {
        out.put_no_tagged_fields();
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn frame(api_key: i16, api_version: i16, rest: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend_from_slice(&api_key.to_be_bytes());
        frame.extend_from_slice(&api_version.to_be_bytes());
        frame.extend_from_slice(&7i32.to_be_bytes());
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn the_client_id_keeps_its_old_length_in_version_2() {
        for (version, rest, client_id, body_at) in [
            (2, &b"\x00\x02meBODY"[..], Some("me"), 12),
            (3, &b"\x00\x02me\x00BODY"[..], Some("me"), 13),
            (3, &b"\xff\xff\x01\x05\x02xyBODY"[..], None, 15),
            (99, &b"\xff\xff\x00BODY"[..], None, 11),
        ] {
            let frame = frame(18, version, rest);
            let (header, at) = RequestHeader::parse(&frame).unwrap();
            let expected = RequestHeader {
                api_key: 18,
                api_version: version,
                correlation_id: 7,
                client_id,
            };
            assert_eq!((header, at), (expected, body_at));
            assert_eq!(&frame[at..], b"BODY");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let unknown = Error::UnknownApi {
            api_key: 4,
            api_version: 1,
        };
        assert_eq!(
            RequestHeader::parse(&frame(4, 1, b"\xff\xff")),
            Err(unknown)
        );
        let complete = frame(3, 12, b"\x00\x02me\x00");
        for short in 0..complete.len() {
            assert!(RequestHeader::parse(&complete[..short]).is_err(), "{short}");
        }
        let not_utf8 = frame(3, 0, b"\x00\x01\xff");
        assert_eq!(
            RequestHeader::parse(&not_utf8),
            Err(Error::Malformed(wire::Error::InvalidUtf8))
        );
    }

    #[test]
    fn response_headers_have_tagged_fields_in_version_1() {
        for (version, expected) in [(0, &[0, 0, 0, 9][..]), (1, &[0, 0, 0, 9, 0][..])] {
            let mut out = BytesMut::new();
            write_response(&mut Writer::new(&mut out), 9, version);
            assert_eq!(out.as_ref(), expected);
        }
    }
}
