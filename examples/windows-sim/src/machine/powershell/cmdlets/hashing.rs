//! `Get-FileHash`.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter, Run};
use super::super::types::native::{Hasher, Native};
use super::super::value::{Value, lock};
use super::content::file_error;
use super::paths::{given, not_found};

/// How much is hashed before other processes get their turn.
const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn file_hash<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let algorithm = bound.text("Algorithm").unwrap_or_else(|| "SHA256".to_owned()).to_uppercase();
        let Some(hasher) = Hasher::new(&algorithm) else { return unsupported(&algorithm) };
        if let Some(Native::FileStream(stream)) = bound.get("InputStream").and_then(Value::native) {
            let data = lock(stream).read(usize::MAX)?;
            emits.output(answer(&algorithm, hash(hasher, &data).await, ""));
            return Ok(());
        }
        let mut bound = bound;
        if !inputs.is_empty() {
            bound.set("Path", Value::array(inputs));
        }
        for (path, _) in given(ps, &bound) {
            let data = ps.around.machine.state().files.read(&path);
            match data {
                Ok(data) => emits.output(answer(&algorithm, hash(hasher.clone(), &data).await, &path)),
                Err(
                    crate::machine::vfs::VfsError::FileNotFound | crate::machine::vfs::VfsError::PathNotFound,
                ) => {
                    let mut record = not_found(&path);
                    record.id = "FileNotFound,Get-FileHash".to_owned();
                    emits.error(record)?;
                }
                Err(error) => emits.error(file_error(error, &path))?,
            }
        }
        Ok(())
    })
}

async fn hash(mut hasher: Hasher, data: &[u8]) -> String {
    for chunk in data.chunks(CHUNK_BYTES) {
        hasher.update(chunk);
        tokio::task::yield_now().await;
    }
    hasher.finish().iter().map(|b| format!("{b:02X}")).collect()
}

fn answer(algorithm: &str, hash: String, path: &str) -> Value {
    Value::custom(vec![
        ("Algorithm".into(), algorithm.into()),
        ("Hash".into(), hash.into()),
        ("Path".into(), path.into()),
    ])
}

fn unsupported(algorithm: &str) -> Result<()> {
    ErrorRecord::new(
        "System.Management.Automation.ParameterBindingValidationException",
        format!("Cannot validate argument on parameter 'Algorithm'. The argument \"{algorithm}\" does not belong to the set \"SHA256,SHA384,SHA512\" of this machine."),
        "ParameterArgumentValidationError",
        "InvalidData",
    )
    .throw()
}
