//! How values stand in columns.

use std::{borrow::Cow, error::Error as StdError, str::FromStr, time::Duration};

use opsconductor_core::{
    Error, ErrorKind,
    id::{TargetId, WorkerId},
};
use serde_json::{Map, Value};
use sqlx::{Decode, Postgres, Row, Type, postgres::PgRow, types::Json};
use uuid::Uuid;

/// A hundred years: longer than any lease or delay, and far from where an interval overflows.
const MICROS_MAX: i64 = 100 * 366 * 24 * 3_600 * 1_000_000;

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX)
}

/// A number of rows or an offset as PostgreSQL takes it.
pub(crate) fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A small number as it stands in a column of 32 bits with a sign.
pub(crate) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A column as it is.
pub(crate) fn get<'r, T>(row: &'r PgRow, index: usize) -> sqlx::Result<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(index)
}

/// A number without a sign, from a column that has one.
pub(crate) fn unsigned(row: &PgRow, index: usize) -> sqlx::Result<u32> {
    u32::try_from(get::<i32>(row, index)?).map_err(|error| unreadable(index, error))
}

/// A column that is written as text and has a type of its own.
pub(crate) fn parsed<T>(row: &PgRow, index: usize) -> sqlx::Result<T>
where
    T: FromStr,
    T::Err: StdError + Send + Sync + 'static,
{
    get::<&str>(row, index)?.parse().map_err(|error| unreadable(index, error))
}

/// A worker, from its UUID.
pub(crate) fn worker(row: &PgRow, index: usize) -> sqlx::Result<WorkerId> {
    let id: Uuid = get(row, index)?;
    id.to_string().parse().map_err(|error: Error| unreadable(index, error))
}

/// A worker as it stands in a column.
pub(crate) fn uuid(worker: WorkerId) -> Uuid {
    // It prints as the UUID that it is.
    worker.to_string().parse().unwrap_or(Uuid::nil())
}

/// An id, or none.
pub(crate) fn id_or_none<T>(row: &PgRow, index: usize, wrap: fn(i64) -> T) -> sqlx::Result<Option<T>> {
    Ok(get::<Option<i64>>(row, index)?.map(wrap))
}

/// The target of a row.
pub(crate) fn target(row: &PgRow, index: usize) -> sqlx::Result<Option<TargetId>> {
    id_or_none(row, index, TargetId::new)
}

/// An object of JSON, empty where it is NULL.
pub(crate) fn object(row: &PgRow, index: usize) -> sqlx::Result<Map<String, Value>> {
    Ok(get::<Option<Json<_>>>(row, index)?.map(|Json(object)| object).unwrap_or_default())
}

/// A text, empty where it is NULL.
pub(crate) fn text_or_empty(row: &PgRow, index: usize) -> sqlx::Result<String> {
    Ok(get::<Option<String>>(row, index)?.unwrap_or_default())
}

/// A text that stands in bytes, empty where it is NULL.
pub(crate) fn utf8(row: &PgRow, index: usize) -> sqlx::Result<String> {
    let bytes: Option<Vec<u8>> = get(row, index)?;
    String::from_utf8(bytes.unwrap_or_default()).map_err(|error| unreadable(index, error))
}

/// A row's columns do not hold what was written there.
pub(crate) fn unreadable(index: usize, error: impl StdError + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: index.to_string(), source: Box::new(error) }
}

/// Text from outside, without the one character that PostgreSQL cannot hold.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The same for JSON.
pub(crate) fn storable_json(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = storable(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(storable_json),
        Value::Object(members) => storable_object(members),
        _ => {}
    }
}

/// The same for the members of an object.
pub(crate) fn storable_object(members: &mut Map<String, Value>) {
    if members.keys().any(|key| key.contains('\0')) {
        let old = std::mem::take(members);
        members.extend(old.into_iter().map(|(key, value)| (storable(&key).into_owned(), value)));
    }
    members.values_mut().for_each(storable_json);
}

/// JSON text of what goes into a column.
pub(crate) fn to_json(value: &(impl serde::Serialize + ?Sized)) -> opsconductor_core::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a value has no JSON form").with_source(error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_stored_is_marked() {
        assert_eq!(storable("a\0b"), "a\u{FFFD}b");
        assert!(matches!(storable("plain \\u0000"), Cow::Borrowed(_)));
        let mut value = json!({"a\0": ["x\0", {"b": "\0"}], "c": 1});
        storable_json(&mut value);
        assert_eq!(value, json!({"a\u{FFFD}": ["x\u{FFFD}", {"b": "\u{FFFD}"}], "c": 1}));
    }

    #[test]
    fn durations_have_a_bound() {
        assert_eq!(micros(Duration::from_secs(15)), 15_000_000);
        assert_eq!(micros(Duration::MAX), MICROS_MAX);
    }

    #[test]
    fn a_worker_keeps_its_id() {
        let id = WorkerId::generate();
        assert_eq!(uuid(id).to_string(), id.to_string());
    }
}
