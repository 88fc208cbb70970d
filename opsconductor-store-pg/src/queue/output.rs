//! Output goes into its chunks, each with an event that points at it.

use std::collections::BTreeSet;

use opsconductor_core::{
    Result,
    store::{CHUNK_BYTES_MAX, Notice, OutputPiece},
};

use super::lease::{LeaseColumns, place};
use crate::{
    PgStore,
    error::{DbResult, invalid},
};

const APPEND: &str = include_str!("../../sql/append_output.sql");

/// Refuses pieces that are too long or not text, before a connection is taken.
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

pub(super) async fn append(store: &PgStore, pieces: &[OutputPiece]) -> DbResult<Vec<bool>> {
    let mut answers = vec![false; pieces.len()];
    if pieces.is_empty() {
        return Ok(answers);
    }
    let leases: LeaseColumns = pieces.iter().map(|piece| &piece.lease).collect();
    let seqs: Vec<_> = pieces.iter().map(|piece| i64::from(piece.seq)).collect();
    let streams: Vec<_> = pieces.iter().map(|piece| piece.stream.as_str()).collect();
    let texts: Vec<&[u8]> = pieces.iter().map(|piece| &piece.text[..]).collect();
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(APPEND))
        .bind(store.moment())
        .bind(&leases.task)
        .bind(&leases.run)
        .bind(&leases.epoch)
        .bind(&leases.worker)
        .bind(&seqs)
        .bind(&streams)
        .bind(&texts)
        .fetch_all(&mut *db)
        .await?;
    let mut runs = BTreeSet::new();
    for row in rows {
        let index = place(&row, 0)?;
        answers[index] = true;
        runs.insert(pieces[index].lease.run);
    }
    store.notices.tell(runs.into_iter().map(Notice::Run));
    Ok(answers)
}
