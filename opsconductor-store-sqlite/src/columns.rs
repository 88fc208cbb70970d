//! How values stand in columns.

use std::time::Duration;

use chrono::DateTime;
use opsconductor_core::{Error, ErrorKind, clock::Timestamp, id::TargetId};
use rusqlite::{
    Row,
    types::{FromSql, Type},
};
use serde::de::DeserializeOwned;

/// A moment, from its microseconds.
pub(crate) fn moment(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

/// `now` and `duration`, in microseconds.
pub(crate) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// A number of rows or an offset as SQLite takes it.
pub(crate) fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A column that is written as text and has a type of its own.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(index)?.as_str().map_err(|error| unreadable(index, error))?;
    text.parse().map_err(|error| unreadable(index, error))
}

/// A column of JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(|error| unreadable(index, error))?;
    serde_json::from_str(text).map_err(|error| unreadable(index, error))
}

/// A column of JSON, or the default where it is NULL.
pub(crate) fn json_or_default<T: DeserializeOwned + Default>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(T::default()),
        _ => json(row, index),
    }
}

/// A time.
pub(crate) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(moment)
}

/// A time, or none.
pub(crate) fn time_or_none(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(moment))
}

/// An id, or none.
pub(crate) fn id_or_none<T>(row: &Row<'_>, index: usize, wrap: fn(i64) -> T) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(wrap))
}

/// The target of a row.
pub(crate) fn target(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<TargetId>> {
    id_or_none(row, index, TargetId::new)
}

/// A text, empty where it is NULL.
pub(crate) fn text_or_empty(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(Option::<String>::column_result(row.get_ref(index)?)?.unwrap_or_default())
}

fn unreadable(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

/// JSON text of what goes into a column.
pub(crate) fn to_json(value: &impl serde::Serialize) -> opsconductor_core::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a value has no JSON form").with_source(error))
}
