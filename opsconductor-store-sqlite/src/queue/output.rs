//! Output goes into its chunks, each with an event that points at it.

use std::collections::HashMap;

use opsconductor_core::{
    Result,
    store::{CHUNK_BYTES_MAX, Lease, OutputPiece},
};
use rusqlite::params;

use super::lease::attempt_of;
use crate::{
    columns,
    error::{DbResult, invalid},
    events::{EventRow, Events, Place},
    writer::Tx,
};

/// Refuses pieces that are too long or not text, before the writer is asked for a turn.
pub(super) fn check(pieces: &[OutputPiece]) -> Result<()> {
    for piece in pieces {
        if piece.text.len() > CHUNK_BYTES_MAX {
            return Err(invalid(format!("a piece of output has at most {CHUNK_BYTES_MAX} bytes"))
                .with("task", piece.lease.task)
                .with("bytes", piece.text.len()));
        }
        if let Err(source) = std::str::from_utf8(&piece.text) {
            return Err(invalid("a piece of output must be UTF-8")
                .with("task", piece.lease.task)
                .with_source(source));
        }
    }
    Ok(())
}

pub(super) fn append(tx: &mut Tx<'_>, pieces: &[OutputPiece]) -> DbResult<Vec<bool>> {
    let mut events = Events::default();
    let mut known: HashMap<Lease, Option<(Place, u32)>> = HashMap::new();
    let mut answers = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let held = match known.get(&piece.lease) {
            Some(held) => *held,
            None => *known.entry(piece.lease).or_insert(place_of(tx, &piece.lease)?),
        };
        answers.push(held.is_some());
        if let Some((place, attempt)) = held {
            append_piece(tx, &mut events, piece, place, attempt)?;
        }
    }
    Ok(answers)
}

fn place_of(tx: &Tx<'_>, lease: &Lease) -> DbResult<Option<(Place, u32)>> {
    let Some(attempt) = attempt_of(tx, lease)? else { return Ok(None) };
    let sql = "SELECT idx, target_id FROM queue WHERE task_id = ?1";
    let place = tx.db.prepare_cached(sql)?.query_row([lease.task.get()], |row| {
        Ok(Place { task: lease.task, step: row.get(0)?, target: columns::target(row, 1)? })
    })?;
    Ok(Some((place, attempt)))
}

fn append_piece(
    tx: &mut Tx<'_>,
    events: &mut Events,
    piece: &OutputPiece,
    place: Place,
    attempt: u32,
) -> DbResult<()> {
    // The text was checked before the turn, so nothing is lost here.
    let text = String::from_utf8_lossy(&piece.text);
    let sql =
        "INSERT INTO output_chunks (task_id, attempt, seq, stream, at, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (task_id, attempt, seq) DO NOTHING";
    let written = tx.db.prepare_cached(sql)?.execute(params![
        place.task.get(),
        attempt,
        piece.seq,
        piece.stream.as_str(),
        tx.now,
        text,
    ])?;
    if written > 0 {
        events.push(tx, piece.lease.run, EventRow::output(place, attempt, piece.seq))?;
    }
    Ok(())
}
