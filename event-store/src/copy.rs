//! Reads events in bulk by `copy … to stdout (format binary)`.

use std::time::Duration;

use envelope::{Position, Timestamp};
use futures::TryStreamExt as _;
use platform::postgres::answered;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::appender::rows::{EventRow, Names};
use crate::appender::sql;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the header's extension.
const HEADER_BYTES: usize = 19;
/// Postgres counts from 2000-01-01.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
const COLUMNS_COUNT: i16 = 11;

/// Hands every event of a range to `each`, in order.
pub(crate) async fn events<E: From<StoreError>>(
    connection: &mut PgConnection,
    answer_wait_max: Duration,
    after: Position,
    up_to: Position,
    mut each: impl FnMut(EventRow) -> Result<(), E>,
) -> Result<(), E> {
    let statement = format!(
        "copy (select {} from events where position > {after} and position <= {up_to} order by position)
           to stdout (format binary)",
        sql::COLUMNS
    );
    let begun = async { Ok::<_, StoreError>(connection.copy_out_raw(&statement).await?) };
    let mut stream = answered(answer_wait_max, begun).await?;
    let mut parser = Parser::default();
    let mut unreadable = None;
    while let Some(chunk) = answered(answer_wait_max, async { Ok::<_, StoreError>(stream.try_next().await?) }).await? {
        // After a row that cannot be read the rest is taken all the same, or the connection could not be used any more.
        if unreadable.is_some() {
            continue;
        }
        parser.buffer.extend_from_slice(&chunk);
        loop {
            match parser.next_row() {
                Ok(Some(row)) => each(row)?,
                Ok(None) => break,
                Err(error) => {
                    unreadable = Some(error);
                    break;
                }
            }
        }
        parser.forget_read();
    }
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    if parser.finished { Ok(()) } else { Err(damaged("the copy ended early").into()) }
}

#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    read: usize,
    started: bool,
    finished: bool,
    names: Names,
}

impl Parser {
    fn next_row(&mut self) -> Result<Option<EventRow>, StoreError> {
        if !self.started {
            if self.buffer.len() < HEADER_BYTES {
                return Ok(None);
            }
            if !self.buffer.starts_with(SIGNATURE) {
                return Err(damaged("the copy has no signature"));
            }
            (self.started, self.read) = (true, HEADER_BYTES);
        }
        let mut fields = Fields { bytes: &self.buffer[self.read..], at: 0 };
        let Some(count) = fields.take(2) else { return Ok(None) };
        match i16::from_be_bytes([count[0], count[1]]) {
            -1 => {
                self.finished = true;
                return Ok(None);
            }
            COLUMNS_COUNT => {}
            other => return Err(damaged(&format!("a row of {other} columns"))),
        }
        let mut columns = [&[][..]; COLUMNS_COUNT as usize];
        for column in &mut columns {
            let Some(length) = fields.take(4) else { return Ok(None) };
            let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            let length = usize::try_from(length).map_err(|_| damaged("a column is null"))?;
            let Some(bytes) = fields.take(length) else { return Ok(None) };
            *column = bytes;
        }
        let position = Position(number(columns[0]).map_err(damaged)?);
        let row = parse(position, &columns, &mut self.names);
        let row = row.map_err(|reason| StoreError::Damaged { position, reason: reason.to_owned() })?;
        self.read += fields.at;
        Ok(Some(row))
    }

    fn forget_read(&mut self) {
        self.buffer.drain(..self.read);
        self.read = 0;
    }
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }
}

fn parse(
    position: Position,
    columns: &[&[u8]; COLUMNS_COUNT as usize],
    names: &mut Names,
) -> Result<EventRow, &'static str> {
    // Postgres has times that no calendar has: `infinity` is the largest number.
    let micros = number(columns[9])?.checked_add(POSTGRES_EPOCH_MICROS);
    Ok(EventRow {
        position,
        aggregate_type: names.share(text(columns[1])?),
        aggregate_id: text(columns[2])?.into(),
        sequence: number(columns[3])?,
        event_id: Uuid::from_slice(columns[4]).map_err(|_| "an event id is no UUID")?,
        event_type: names.share(text(columns[5])?),
        event_version: names.share(text(columns[6])?),
        payload: text(columns[7])?.to_owned(),
        metadata: text(columns[8])?.into(),
        recorded_at: micros.and_then(Timestamp::from_micros).ok_or("a time outside the calendar")?,
        chain: columns[10].try_into().map_err(|_| "a chain that is not 32 bytes")?,
    })
}

fn number(bytes: &[u8]) -> Result<i64, &'static str> {
    bytes.try_into().map(i64::from_be_bytes).map_err(|_| "a number that is not 8 bytes")
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")
}

fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { position: Position::ZERO, reason: reason.to_owned() }
}
