//! One record.

use milena_protocol::Sequence;
use milena_protocol::batch::{BatchHeader, Record};

use super::Error;
use super::segment::timestamp_type;
use super::session::Session;

impl Session<'_> {
    pub(super) fn print_record(
        &mut self,
        header: &BatchHeader,
        record: &Record<'_>,
    ) -> Result<(), Error> {
        let is_control = header.attributes.is_control();
        let mut prefix = "| ";
        if !self.options.skip_record_metadata {
            self.print_metadata(header, record)?;
            prefix = " ";
            if is_control {
                self.print_control(record)?;
            }
        }
        if self.options.prints_data() && !is_control {
            let (key, value) = match self.options.decoder {
                Some(decoder) => decoder(record.key, record.value),
                None => (record.key.map(text), record.value.map(text)),
            };
            if let Some(key) = key {
                write!(self.out, "{prefix}key: {key}")?;
            }
            if let Some(value) = value {
                write!(self.out, " payload: {value}")?;
            }
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn print_metadata(&mut self, header: &BatchHeader, record: &Record<'_>) -> Result<(), Error> {
        let sequence = if header.base_sequence.0 < 0 || record.offset_delta < 0 {
            Sequence::NONE
        } else {
            header.base_sequence.plus(record.offset_delta)
        };
        let keys: Vec<_> = record.headers.map(|(key, _)| text(key)).collect();
        write!(
            self.out,
            "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
            record.offset(header),
            timestamp_type(header.attributes),
            record.timestamp(header),
            size(record.key),
            size(record.value),
            keys.join(","),
        )?;
        Ok(())
    }

    /// The kind of a control record, in the second field of its key.
    fn print_control(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let kind = record.key.and_then(|key| i16_at(key, 2));
        let name = match kind {
            Some(0) => "ABORT",
            Some(1) => "COMMIT",
            Some(2) => "LEADER_CHANGE",
            Some(3) => "SNAPSHOT_HEADER",
            Some(4) => "SNAPSHOT_FOOTER",
            Some(5) => "KRAFT_VERSION",
            Some(6) => "KRAFT_VOTERS",
            _ => "UNKNOWN",
        };
        match kind {
            Some(0 | 1) => {
                let epoch = record.value.and_then(|value| i32_at(value, 2));
                let epoch = epoch.unwrap_or(-1);
                write!(self.out, " endTxnMarker: {name} coordinatorEpoch: {epoch}")?;
            }
            kind => {
                let kind = kind.unwrap_or(-1);
                write!(self.out, " controlType: {name}({kind})")?;
            }
        }
        Ok(())
    }
}

fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(i16::from_be_bytes(*field))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(i32::from_be_bytes(*field))
}
