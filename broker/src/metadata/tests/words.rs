//! A small replayed state: a list of words.

use bytes::BytesMut;
use milena_protocol::wire::{Reader, Writer};

use crate::metadata::{Position, Replayed, Undecodable};

/// Words, each with the offset of its entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::metadata) struct Words {
    digest: u128,
    words: Vec<(String, i64)>,
}

impl Words {
    pub(in crate::metadata) fn words(&self) -> Vec<String> {
        self.words.iter().map(|(word, _)| word.clone()).collect()
    }
}

impl Replayed for Words {
    type Record = String;

    fn digest(&self) -> u128 {
        self.digest
    }

    fn apply(&mut self, record: &String, at: Position) {
        for byte in record.bytes() {
            self.digest = (self.digest ^ u128::from(byte)).wrapping_mul(0x0100_0000_01b3) + 1;
        }
        self.words.push((record.clone(), at.offset.0));
    }

    fn encode_record(record: &String, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(record.as_bytes());
    }

    fn decode_record(bytes: &[u8]) -> Result<String, Undecodable> {
        String::from_utf8(bytes.to_vec()).map_err(|error| Undecodable(error.to_string()))
    }

    fn encode_snapshot(&self, buffer: &mut Vec<u8>) {
        let mut bytes = BytesMut::new();
        let mut out = Writer::new(&mut bytes);
        out.put_slice(&self.digest.to_be_bytes());
        out.put_array_len(self.words.len()).unwrap();
        for (word, offset) in &self.words {
            out.put_string(word).unwrap();
            out.put_i64(*offset);
        }
        buffer.extend_from_slice(&bytes);
    }

    fn decode_snapshot(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut reader = Reader::new(bytes);
        let digest = u128::from_be_bytes(reader.array()?);
        let mut words = Vec::new();
        for _ in 0..reader.array_len(10)? {
            words.push((reader.string()?.to_owned(), reader.i64()?));
        }
        reader.end()?;
        Ok(Self { digest, words })
    }
}
