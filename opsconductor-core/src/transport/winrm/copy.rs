//! Writing one file: a PowerShell process per file, parameters and content on its standard input.
//!
//! Nothing of the request stands in the script: the path goes as JSON in base64, so no path needs quoting. The content
//! goes to a file of its own in the same folder, is verified there, and takes the destination's place in one step.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{collect::Collector, lane::Lane, launch::Launch, run};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{Control, CopyOutcome, CopyRequest, CopySource, CopyStatus, FileSource, Observer},
};

/// The largest content.
const CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// How much of the content stands in one line.
const LINE_BYTES: usize = 96 * 1024;

const SCRIPT: &str = include_str!("copy.ps1");

/// What the script needs to know.
#[derive(Serialize)]
struct Parameters<'a> {
    dest: &'a str,
    overwrite: bool,
    length: usize,
    sha256: &'a str,
}

/// What the script says.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Report {
    Copied { length: u64, sha256: String },
    Unchanged { length: u64, sha256: String },
    Exists,
    Failed { message: String },
}

/// Writes `request` on `lane`.
pub(super) async fn copy(
    lane: &mut Lane,
    request: CopyRequest,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<CopyOutcome> {
    let about = |error: Error| error.with("path", &request.dest_path);
    if request.dest_path.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the destination path is empty"));
    }
    let CopySource::One(FileSource::Bytes(content)) = &request.source else {
        return Err(about(Error::new(
            ErrorKind::Unsupported,
            "winrm.copy sends what is in memory alone as yet",
        )));
    };
    if content.len() > CONTENT_BYTES_MAX {
        let message = "the content is larger than the 1 MiB that winrm.copy takes as yet";
        return Err(about(Error::new(ErrorKind::InvalidInput, message)).with("bytes", content.len()));
    }
    let sha256 = hex(&Sha256::digest(content));
    let input = input(&request, content, &sha256)?;
    let launch = Launch::powershell(SCRIPT, input, BTreeMap::new(), None)?;
    let mut collector = Collector::new(Some(observer));
    let outcome = run::run(lane, launch, &mut collector, control).await.map_err(about)?;
    let failed = |message: String| about(lane.host.about(Error::transport(Layer::Script, message)));
    let Some(report) = collector.last_line().and_then(|line| serde_json::from_str(line).ok()) else {
        let said = collector.first_error_line().unwrap_or("nothing");
        let message = format!("the copy script ended with exit code {} and said: {said}", outcome.exit_code);
        return Err(failed(message).with_outcome_unknown());
    };
    let (status, length, found) = match report {
        Report::Copied { length, sha256 } => (CopyStatus::Copied, length, sha256),
        Report::Unchanged { length, sha256 } => (CopyStatus::Unchanged, length, sha256),
        Report::Exists => {
            let message = "the file exists and overwrite is false; nothing was touched";
            return Err(about(lane.host.about(Error::new(ErrorKind::Conflict, message))));
        }
        Report::Failed { message } => {
            return Err(failed(format!("the file was not written: {}", message.trim())));
        }
    };
    if length != content.len() as u64 || found != sha256 {
        return Err(failed("the host reports another content than the one sent".to_owned()));
    }
    Ok(CopyOutcome::one(status, length, sha256))
}

/// One line of parameters, the content in lines, and a dot.
fn input(request: &CopyRequest, content: &Bytes, sha256: &str) -> Result<Vec<Bytes>> {
    let parameters =
        Parameters { dest: &request.dest_path, overwrite: request.overwrite, length: content.len(), sha256 };
    let parameters = serde_json::to_vec(&parameters).map_err(|error| {
        Error::new(ErrorKind::Internal, "the copy's parameters do not serialize").with_source(error)
    })?;
    let mut lines = vec![line(&parameters)];
    lines.extend(content.chunks(LINE_BYTES).map(line));
    lines.push(Bytes::from_static(b".\n"));
    Ok(lines)
}

fn line(bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(bytes.len() / 3 * 4 + 8);
    out.put_slice(STANDARD.encode(bytes).as_bytes());
    out.put_u8(b'\n');
    out.freeze()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{SCRIPT, hex, input};
    use crate::transport::CopyRequest;

    #[test]
    fn the_path_is_data_and_the_content_comes_back_from_its_lines() {
        let content: Vec<u8> = (0..250_000_u32).map(|n| (n % 251) as u8).collect();
        let content = bytes::Bytes::from(content);
        let request = CopyRequest::bytes("C:\\t'mp\\\u{201c}x\u{201d} $(calc).bin", content.clone());
        let lines = input(&request, &content, "00").unwrap();
        let decode = |line: &[u8]| STANDARD.decode(line.strip_suffix(b"\n").unwrap()).unwrap();
        let parameters: serde_json::Value = serde_json::from_slice(&decode(&lines[0])).unwrap();
        assert_eq!(parameters["dest"], request.dest_path);
        let (last, data) = lines[1..].split_last().unwrap();
        assert_eq!(last, ".\n");
        assert_eq!(data.iter().flat_map(|line| decode(line)).collect::<Vec<_>>(), content);
        assert!(!SCRIPT.contains("calc"));
    }

    #[test]
    fn hexadecimal_is_lower_case_and_padded() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
