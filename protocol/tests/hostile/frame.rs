//! Frames and the headers in them.

use bytes::BytesMut;
use milena_protocol::wire::Writer;
use milena_protocol::{api, frame, header};

/// Largest frame that is accepted, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// Cuts frames from the bytes and reads their headers, as a connection does.
///
/// # Panics
/// Where something is taken for what it is not.
pub fn check(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let peeked = frame::peek(rest, BYTES_MAX);
        let first = match frame::first(rest, BYTES_MAX) {
            Ok(Some(first)) => first,
            Ok(None) => {
                assert!(
                    peeked.is_ok_and(|length| length.is_none_or(|length| length + 4 > rest.len()))
                );
                break;
            }
            Err(error) => {
                assert_eq!(peeked, Err(error));
                break;
            }
        };
        assert_eq!(peeked, Ok(Some(first.len())));
        check_header(first);
        rest = &rest[frame::LENGTH_BYTES + first.len()..];
    }
    check_header(bytes);
}

fn check_header(frame: &[u8]) {
    let Ok((header, body_at)) = header::RequestHeader::parse(frame) else {
        return;
    };
    assert!(body_at <= frame.len());
    let info = api::info(header.api_key).expect("a header is of an API that is known");
    let version = info.response_header_version(header.api_version);
    let mut out = BytesMut::new();
    header::write_response(&mut Writer::new(&mut out), header.correlation_id, version);
    assert_eq!(out[..4], header.correlation_id.to_be_bytes());
    if let Some(client_id) = header.client_id {
        assert!(client_id.len() < frame.len());
    }
}

/// Two frames of every API in its oldest and its newest version.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for api in api::APIS {
        for version in [api.min_version, api.max_version] {
            let mut frame = Vec::new();
            frame.extend_from_slice(&api.key.to_be_bytes());
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&7i32.to_be_bytes());
            frame.extend_from_slice(b"\0\x06client");
            if api.is_flexible(version) {
                frame.extend_from_slice(b"\x01\x05\x02ab");
            }
            frame.extend_from_slice(b"body");
            let length = u32::try_from(frame.len()).unwrap_or_default();
            let one = [&length.to_be_bytes()[..], &frame].concat();
            seeds.push([one.clone(), one].concat());
        }
    }
    seeds
}
