//! Methods of file streams, and hashing what they hold.

use std::sync::Mutex;

use super::super::deflate;
use super::super::native::Native;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::{Object, Value, lock};

/// How much is hashed or copied before other processes get their turn.
const CHUNK_BYTES: usize = 1 << 20;

fn out_of_bounds<T>() -> Result<T> {
    ErrorRecord::new(
        "System.ArgumentException",
        "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.",
        "ArgumentException",
        "NotSpecified",
    )
    .throw()
}

/// Puts bytes into a `byte[]` a script gave as its buffer.
pub(super) fn fill(buffer: &Value, at: usize, bytes: &[u8]) -> Result<Value> {
    let Value::Bytes(buffer) = buffer else { return out_of_bounds() };
    let mut buffer = lock(buffer);
    match buffer.get_mut(at..at + bytes.len()) {
        Some(place) => place.copy_from_slice(bytes),
        None => return out_of_bounds(),
    }
    Ok(Value::Int(bytes.len() as i32))
}

pub(super) fn file_stream_method(
    stream: &Mutex<super::super::stream::FileStream>,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
    let mut stream = lock(stream);
    Ok(Some(match (method, arguments.len()) {
        ("write", 3) => {
            let (Some(start), Some(count)) = (size(1), size(2)) else { return out_of_bounds() };
            match &arguments[0] {
                Value::Bytes(bytes) => match lock(bytes).get(start..start.saturating_add(count)) {
                    Some(piece) => stream.write(piece)?,
                    None => return out_of_bounds(),
                },
                other => match other
                    .as_bytes()
                    .and_then(|b| b.get(start..start.saturating_add(count)).map(<[u8]>::to_vec))
                {
                    Some(piece) => stream.write(&piece)?,
                    None => return out_of_bounds(),
                },
            }
            Value::Null
        }
        ("writebyte", 1) => {
            stream.write(&[arguments[0].as_long().unwrap_or(0) as u8])?;
            Value::Null
        }
        ("read", 3) => {
            let (Some(at), Some(count)) = (size(1), size(2)) else { return out_of_bounds() };
            let piece = stream.read(count)?;
            fill(&arguments[0], at, &piece)?
        }
        ("readbyte", 0) => Value::Int(stream.read(1)?.first().map_or(-1, |b| i32::from(*b))),
        ("seek", 2) => {
            let origin = super::super::objects::enum_text("System.IO.SeekOrigin", &arguments[1])?;
            Value::Long(stream.seek(arguments[0].as_long().unwrap_or(0), &origin)? as i64)
        }
        ("setlength", 1) => {
            stream.set_len(arguments[0].as_long().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))?;
            Value::Null
        }
        ("flush", 0 | 1) => Value::Null,
        ("dispose" | "close", 0) => {
            stream.close();
            Value::Null
        }
        _ => return Ok(None),
    }))
}

/// `CopyTo`: all that is left of one stream into another.
pub(super) async fn copy_stream(from: &std::sync::Arc<Object>, to: &Value) -> Result<Value> {
    let from = Value::Object(from.clone());
    loop {
        let piece = deflate::read(&from, CHUNK_BYTES)?.unwrap_or_default();
        if piece.is_empty() {
            return Ok(Value::Null);
        }
        if !deflate::write(to, &piece)? {
            return out_of_bounds();
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn compute_hash(
    hasher: &Mutex<super::super::native::Hasher>,
    arguments: &[Value],
) -> Result<Value> {
    if let Some(Native::FileStream(stream)) = arguments[0].native() {
        loop {
            let piece = lock(stream).read(CHUNK_BYTES)?;
            if piece.is_empty() {
                break;
            }
            lock(hasher).update(&piece);
            tokio::task::yield_now().await;
        }
    } else if let Some(Native::MemoryStream(stream)) = arguments[0].native() {
        let stream = lock(stream);
        lock(hasher).update(&stream.bytes[stream.position.min(stream.bytes.len())..]);
    } else {
        let Some(bytes) = arguments[0].as_bytes() else { return out_of_bounds() };
        let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
        let start = size(1).unwrap_or(0);
        let end = size(2).map_or(bytes.len(), |n| start.saturating_add(n));
        let Some(piece) = bytes.get(start..end) else { return out_of_bounds() };
        for chunk in piece.chunks(CHUNK_BYTES) {
            lock(hasher).update(chunk);
            tokio::task::yield_now().await;
        }
    }
    let digest = lock(hasher).finish();
    Ok(Value::bytes(digest))
}
