//! Writes responses to a socket: runs of bytes by one vectored `sendmsg`, spans of files by
//! `sendfile` in slices, on the runtime thread through the readiness of the socket. What is not in
//! the page cache is read into it off the runtime first.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use milena_log::storage::File;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::response::Piece;

/// Bytes that are read into the page cache at once.
const WARM_BYTES: usize = 1024 * 1024;
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
pub(crate) async fn send_all(
    stream: &TcpStream,
    pieces: &mut VecDeque<Piece>,
    tracker: &TaskTracker,
) -> io::Result<()> {
    // Where the bytes that were read into the page cache for this response end.
    let mut warmed: Option<u64> = None;
    while let Some(first) = pieces.front() {
        if first.len() == 0 {
            pieces.pop_front();
            warmed = None;
            continue;
        }
        if let Piece::File {
            file,
            position,
            length,
        } = first
            && warmed.is_none_or(|end| *position >= end)
            && is_cold(&**file, *position)
        {
            let length = (*length).min(WARM_BYTES);
            let (file, position) = (Arc::clone(file), *position);
            warmed = Some(position + length as u64);
            let warm = move || warm(&*file, position, length);
            // What cannot be read is met again by the sending.
            drop(tracker.spawn_blocking(warm).await);
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

/// True where a read at `position` would wait for the disk. Where the file system does not tell, it
/// would not.
fn is_cold(file: &dyn File, position: u64) -> bool {
    let Some(descriptor) = file.descriptor() else {
        return false;
    };
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let read = rustix::io::preadv2(descriptor, &mut buffers, position, ReadWriteFlags::NOWAIT);
    read == Err(Errno::AGAIN)
}

/// Reads a span, so that it is in the page cache.
fn warm(file: &dyn File, mut position: u64, mut length: usize) {
    let mut buffer = vec![0; length.min(FILE_SLICE_BYTES)];
    while length > 0 {
        let wanted = length.min(buffer.len());
        match file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), position) {
            Ok(read) if read > 0 => {
                position += read as u64;
                length -= read;
            }
            _ => return,
        }
    }
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
        // Out of the page cache, where the file system lets go of it.
        let written = std::fs::File::open(&path).expect("opened");
        written.sync_all().expect("synced");
        rustix::fs::fadvise(&written, 0, None, rustix::fs::Advice::DontNeed).expect("advised");
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
                let sent = send_all(&server, &mut pieces, &TaskTracker::new()).await;
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
