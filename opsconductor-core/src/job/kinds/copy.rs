//! `winrm.copy`: writes files on a Windows host.

use async_trait::async_trait;
use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{COMMAND_BYTES_MAX, blocking, in_a_path};
use crate::{
    Error, ErrorKind, Problem, Result,
    job::{
        WorkerFiles, files,
        step::{StepContext, StepHandler, StepOutcome, TemplateField},
    },
    template::Sink,
    transport::{CopyRequest, CopySource, CopyStatus, FileSource, Protocol},
};

/// What a definition may hold; a file of the worker has no limit.
const CONTENT_BYTES_MAX: usize = 1024 * 1024;
/// The longest path that Windows knows.
const PATH_CHARS_MAX: usize = 32_767;

/// Writes files, verified and atomically: from `contentB64` as it is, from `content`, a template, or from `src`, a file or
/// a folder below the folder that the worker lets steps use.
#[derive(Debug, Clone, Copy, Default)]
pub struct WinrmCopy;

#[async_trait]
impl StepHandler for WinrmCopy {
    fn kind(&self) -> &str {
        "winrm.copy"
    }

    fn schema(&self) -> Value {
        schema("Writes files on Windows hosts, verified and atomically.", PATH_CHARS_MAX)
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
        run(context, None).await
    }
}

/// The members that every kind has which writes files.
pub(super) fn schema(description: &str, path_max: usize) -> Value {
    json!({
        "description": description,
        "required": ["destPath"],
        "oneOf": [{"required": ["contentB64"]}, {"required": ["content"]}, {"required": ["src"]}],
        "properties": {
            "destPath": {
                "type": "string", "minLength": 1, "maxLength": path_max,
                "description": "the path of the file on the host, a template"
            },
            "contentB64": {
                "type": "string", "maxLength": CONTENT_BYTES_MAX * 2, "contentEncoding": "base64",
                "description": "the content in base64, at most 1 MiB when decoded"
            },
            "content": {
                "type": "string", "maxLength": COMMAND_BYTES_MAX,
                "description": "the content, a template"
            },
            "src": {
                "type": "string", "minLength": 1, "maxLength": 4096,
                "description": "a file or a folder below the worker's folder for files, a template"
            },
            "overwrite": {
                "type": "boolean", "default": true,
                "description": "whether a file that is there is replaced"
            }
        }
    })
}

/// The templates among them.
pub(super) fn templates(fields: &Map<String, Value>) -> Vec<TemplateField> {
    [("destPath", "/destPath"), ("content", "/content"), ("src", "/src")]
        .into_iter()
        .filter(|(name, _)| fields.contains_key(*name))
        .map(|(_, pointer)| TemplateField::new(pointer, Sink::Text))
        .collect()
}

/// Faults that every such kind looks for.
pub(super) fn check(fields: &Map<String, Value>) -> Vec<Problem> {
    let encoded = fields.get("contentB64").and_then(Value::as_str);
    let problem = encoded.and_then(|encoded| decode(encoded).err());
    let mut problems: Vec<_> =
        problem.map(|message| Problem::new("/contentB64", message)).into_iter().collect();
    // What a template makes of it is checked when the step runs.
    if let Some(src) = fields.get("src").and_then(Value::as_str).filter(|src| !src.contains('{')) {
        problems.extend(files::fault(src).map(|fault| Problem::new("/src", fault)));
    }
    problems
}

/// Writes the files, with `mode` where the host has permissions.
pub(super) async fn run(context: &mut StepContext<'_>, mode: Option<u32>) -> Result<StepOutcome> {
    let request = CopyRequest { mode, ..request(context.fields(), context.files().cloned()).await? };
    let dest_path = request.dest_path.clone();
    let copied = context.copy(request).await?;
    let status = match copied.status {
        CopyStatus::Copied => "copied",
        CopyStatus::Unchanged => "unchanged",
    };
    let target = context.target().map(|target| target.name.as_str());
    Ok(StepOutcome::succeeded()
        .with_metric("target", target)
        .with_metric("dest_path", dest_path)
        .with_metric("content_size", copied.length)
        .with_metric("status", status)
        .with_metric("files", copied.files)
        .with_metric("files_written", copied.files_written)
        .with_metric("sha256", copied.sha256))
}

async fn request(fields: &Map<String, Value>, files: Result<WorkerFiles>) -> Result<CopyRequest> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let memory = |content: Vec<u8>| CopySource::One(FileSource::Bytes(Bytes::from(content)));
    let source = match (text("contentB64"), text("content"), text("src")) {
        (Some(encoded), None, None) => {
            memory(decode(encoded).map_err(|why| Error::new(ErrorKind::InvalidInput, why))?)
        }
        (None, Some(content), None) if content.len() > CONTENT_BYTES_MAX => {
            return Err(Error::new(ErrorKind::InvalidInput, too_large(content.len())));
        }
        (None, Some(content), None) => memory(content.as_bytes().to_vec()),
        (None, None, Some(src)) => {
            let (files, src) = (files?, src.to_owned());
            blocking(move || files.source(&src)).await?
        }
        _ => return Err(unchecked("content")),
    };
    Ok(CopyRequest {
        dest_path: text("destPath").ok_or_else(|| unchecked("destPath"))?.to_owned(),
        source,
        overwrite: fields.get("overwrite").and_then(Value::as_bool).unwrap_or(true),
        mode: None,
    })
}

/// Base64 with the line breaks that tools put into it. The error is a sentence.
fn decode(encoded: &str) -> Result<Vec<u8>, String> {
    let compact;
    let encoded = if encoded.bytes().any(|byte| byte.is_ascii_whitespace()) {
        compact = encoded.split_ascii_whitespace().collect::<String>();
        &compact
    } else {
        encoded
    };
    // Without its padding each four characters are three bytes, so that too much is refused before it is decoded.
    let length = encoded.trim_end_matches('=').len() / 4 * 3;
    if length > CONTENT_BYTES_MAX {
        return Err(too_large(length));
    }
    let content = STANDARD.decode(encoded).map_err(|error| not_base64(&error))?;
    if content.len() > CONTENT_BYTES_MAX { Err(too_large(content.len())) } else { Ok(content) }
}

fn not_base64(error: &DecodeError) -> String {
    match error {
        DecodeError::InvalidByte(at, b'=') => {
            format!("this is not base64: the `=` in place {} is not at the end", at + 1)
        }
        DecodeError::InvalidByte(at, _) => format!("this is not base64: look at character {}", at + 1),
        DecodeError::InvalidPadding => {
            "this is not base64: it must end in the right number of `=`".to_owned()
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidLastSymbol(..) => {
            "this is not base64: its end is missing or damaged".to_owned()
        }
    }
}

fn too_large(length: usize) -> String {
    format!("the content has {length} bytes; a copy writes at most {CONTENT_BYTES_MAX}")
}

fn unchecked(member: &str) -> Error {
    Error::new(ErrorKind::Internal, "a step reached its handler without having been validated")
        .with("member", member)
}
