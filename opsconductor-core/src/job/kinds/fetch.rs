//! `winrm.fetch`: brings a file of a Windows host.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{blocking, in_a_path};
use crate::{
    Error, ErrorKind, Problem, Result,
    job::{
        files,
        step::{StepContext, StepHandler, StepOutcome, TemplateField},
    },
    template::Sink,
    transport::{FetchRequest, Protocol},
};

/// The longest path that Windows knows.
const PATH_CHARS_MAX: usize = 32_767;
/// The largest file that is brought unless the step says otherwise.
const BYTES_DEFAULT: u64 = 100 * 1024 * 1024;
/// The largest that a step may allow.
const BYTES_MAX: u64 = 1 << 40;

/// Brings one file, verified and atomically, to the worker's folder for files: to `dest`, or else under its own name, in
/// either case below a folder with the target's name, so that no target's file takes the place of another's.
#[derive(Debug, Clone, Copy, Default)]
pub struct WinrmFetch;

#[async_trait]
impl StepHandler for WinrmFetch {
    fn kind(&self) -> &str {
        "winrm.fetch"
    }

    fn schema(&self) -> Value {
        schema("Brings a file of Windows hosts to the worker, verified and atomically.", PATH_CHARS_MAX)
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Winrm)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        templates(fields)
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        in_a_path(pointer)
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        check(fields)
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        run(context).await
    }
}

/// The members that every kind has which brings files.
pub(super) fn schema(description: &str, path_max: usize) -> Value {
    json!({
        "description": description,
        "required": ["srcPath"],
        "properties": {
            "srcPath": {
                "type": "string", "minLength": 1, "maxLength": path_max,
                "description": "the path of the file on the host, a template"
            },
            "dest": {
                "type": "string", "minLength": 1, "maxLength": 4096,
                "description": "where it goes, below a folder with the target's name in the worker's folder for \
                                files; a template; by default the file's own name"
            },
            "overwrite": {
                "type": "boolean", "default": true,
                "description": "whether a local file that is there is replaced"
            },
            "maxBytes": {
                "type": "integer", "minimum": 1, "maximum": BYTES_MAX, "default": BYTES_DEFAULT,
                "description": "the largest file that is brought"
            }
        }
    })
}

/// The templates among them.
pub(super) fn templates(fields: &Map<String, Value>) -> Vec<TemplateField> {
    [("srcPath", "/srcPath"), ("dest", "/dest")]
        .into_iter()
        .filter(|(name, _)| fields.contains_key(*name))
        .map(|(_, pointer)| TemplateField::new(pointer, Sink::Text))
        .collect()
}

/// Faults that every such kind looks for.
pub(super) fn check(fields: &Map<String, Value>) -> Vec<Problem> {
    // What a template makes of it is checked when the step runs.
    let dest = fields.get("dest").and_then(Value::as_str).filter(|dest| !dest.contains('{'));
    let fault = dest.and_then(files::fault);
    fault.map(|fault| Problem::new("/dest", fault)).into_iter().collect()
}

/// Brings the file.
pub(super) async fn run(context: &mut StepContext<'_>) -> Result<StepOutcome> {
    let fields = context.fields();
    let src_path = context.text("srcPath").to_owned();
    let target = context.target().map(|target| target.name.clone()).unwrap_or_default();
    let path = local_path(&target, &src_path, fields.get("dest").and_then(Value::as_str))?;
    let overwrite = fields.get("overwrite").and_then(Value::as_bool).unwrap_or(true);
    let bytes_max = fields.get("maxBytes").and_then(Value::as_u64).unwrap_or(BYTES_DEFAULT);
    let (files, below) = (context.files()?.clone(), path.clone());
    let dest = blocking(move || files.dest(&below)).await?;
    let request = FetchRequest { src_path: src_path.clone(), dest, overwrite, bytes_max };
    let fetched = context.fetch(request).await?;
    Ok(StepOutcome::succeeded()
        .with_metric("target", target)
        .with_metric("src_path", src_path)
        .with_metric("dest_path", path)
        .with_metric("content_size", fetched.length)
        .with_metric("sha256", fetched.sha256))
}

/// Where a file goes below the folder for files.
fn local_path(target: &str, src_path: &str, dest: Option<&str>) -> Result<String> {
    if target.contains('/') || files::fault(target).is_some() {
        let message = "the target's name cannot be that of a folder; rename the target";
        return Err(Error::new(ErrorKind::InvalidInput, message).with("target", target));
    }
    let name = dest.unwrap_or_else(|| src_path.rsplit(['\\', '/']).next().unwrap_or_default());
    match (files::fault(name), dest) {
        (None, _) => Ok(format!("{target}/{name}")),
        (Some(fault), Some(_)) => Err(Error::new(ErrorKind::InvalidInput, fault).with("dest", name)),
        (Some(_), None) => {
            let message = "the file's own name cannot be used here; name one with `dest`";
            Err(Error::new(ErrorKind::InvalidInput, message).with("path", src_path))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::local_path;

    #[test]
    fn every_file_goes_below_its_targets_name() {
        assert_eq!(local_path("web1", "C:\\logs\\a b.log", None).unwrap(), "web1/a b.log");
        assert_eq!(local_path("web1", "C:/logs/x", Some("deep/y.log")).unwrap(), "web1/deep/y.log");
        for (target, src, dest) in [
            ("..", "C:\\x", None),
            ("a/b", "C:\\x", None),
            ("web1", "C:\\logs\\", None),
            ("web1", "C:\\logs\\..", None),
            ("web1", "C:", None),
            ("web1", "C:\\x", Some("../web2/x")),
            ("web1", "C:\\x", Some("/etc/passwd")),
            ("web1", "C:\\x", Some("")),
        ] {
            assert!(local_path(target, src, dest).is_err(), "{target} {src} {dest:?}");
        }
    }
}
