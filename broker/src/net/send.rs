//! Writes responses to a socket: runs of bytes by one vectored `sendmsg`, spans of files by
//! `sendfile` in slices, on the runtime thread through the readiness of the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Buf;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::response::Piece;

/// Bytes of one `sendfile` call. 64 KiB is the stable optimum on loopback; see
/// docs/benchmarks.
const FILE_SLICE_BYTES: usize = 64 * 1024;
/// Runs of one vectored write.
const RUNS_MAX: usize = 64;
/// A reader that takes nothing for this long loses its connection: as long as `connections.max.idle.ms`
/// by default, since a consumer that works on its records without polling does not read either.
const STALL: Duration = Duration::from_secs(600);

/// Sends all of `pieces`. They are removed as they leave.
///
/// # Errors
/// What the socket says, `TimedOut` where the peer takes nothing for ten minutes, and what reading a
/// file that cannot be sent directly says.
pub(crate) async fn send_all(stream: &TcpStream, pieces: &mut VecDeque<Piece>) -> io::Result<()> {
    while let Some(first) = pieces.front() {
        if first.len() == 0 {
            pieces.pop_front();
            continue;
        }
        let sent = match stream.try_io(Interest::WRITABLE, || send_some(stream, pieces)) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match tokio::time::timeout(STALL, stream.writable()).await {
                    Ok(ready) => ready?,
                    Err(_) => {
                        return Err(io::Error::new(
                            io::ErrorKind::TimedOut,
                            "the peer took nothing for 600 s",
                        ));
                    }
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        if sent == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        advance(pieces, sent);
    }
    Ok(())
}

/// One system call; returns the bytes that left.
fn send_some(stream: &TcpStream, pieces: &VecDeque<Piece>) -> io::Result<usize> {
    match pieces.front() {
        None => Ok(0),
        Some(Piece::Bytes(_)) => send_bytes(stream, pieces),
        Some(Piece::File {
            file,
            position,
            length,
        }) => {
            let slice = (*length).min(FILE_SLICE_BYTES);
            match file.descriptor() {
                Some(descriptor) => {
                    let mut offset = *position;
                    Ok(rustix::fs::sendfile(
                        stream,
                        descriptor,
                        Some(&mut offset),
                        slice,
                    )?)
                }
                None => {
                    let mut buffer = vec![0; slice];
                    let read = file.read_at(&mut buffer, *position)?;
                    let bytes = buffer.get(..read).unwrap_or_default();
                    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
                }
            }
        }
    }
}

/// Sends the run of in-memory pieces at the front. `MORE` holds a header back for the file that
/// follows it, so that both leave in one segment.
fn send_bytes(stream: &TcpStream, pieces: &VecDeque<Piece>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); RUNS_MAX];
    let mut count = 0;
    let mut flags = SendFlags::NOSIGNAL;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                let Some(slot) = slices.get_mut(count) else {
                    break;
                };
                *slot = IoSlice::new(bytes);
                count += 1;
            }
            Piece::File { .. } => {
                flags |= SendFlags::MORE;
                break;
            }
        }
    }
    let slices = slices.get(..count).unwrap_or_default();
    Ok(rustix::net::sendmsg(
        stream,
        slices,
        &mut SendAncillaryBuffer::default(),
        flags,
    )?)
}

/// Removes the first `sent` bytes.
fn advance(pieces: &mut VecDeque<Piece>, mut sent: usize) {
    while let Some(first) = pieces.front_mut() {
        let length = first.len();
        if length > sent {
            match first {
                Piece::Bytes(bytes) => bytes.advance(sent),
                Piece::File {
                    position, length, ..
                } => {
                    *position += sent as u64;
                    *length -= sent;
                }
            }
            return;
        }
        sent -= length;
        pieces.pop_front();
        if sent == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn bytes_and_files_arrive_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("segment");
        let content: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_be_bytes).collect();
        std::fs::write(&path, &content).expect("written");
        let storage = milena_log::storage::DiskStorage::new();
        let file = milena_log::storage::Storage::open(&storage, &path).expect("opened");
        let mut pieces = VecDeque::from([
            Piece::Bytes(Bytes::from_static(b"head")),
            Piece::Bytes(Bytes::new()),
            Piece::File {
                file,
                position: 8,
                length: content.len() - 16,
            },
            Piece::Bytes(Bytes::from_static(b"tail")),
        ]);
        let mut expected = b"head".to_vec();
        expected.extend_from_slice(&content[8..content.len() - 8]);
        expected.extend_from_slice(b"tail");

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let mut client = TcpStream::connect(listener.local_addr().expect("address"))
            .await
            .expect("up");
        let (server, _) = listener.accept().await.expect("accepted");
        let mut received = Vec::new();
        let (sent, read) = tokio::join!(
            async {
                let sent = send_all(&server, &mut pieces).await;
                drop(server);
                sent
            },
            client.read_to_end(&mut received)
        );
        sent.expect("sent");
        read.expect("read");
        assert!(received == expected);
        assert!(pieces.is_empty());
    }
}
