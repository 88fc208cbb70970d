//! `[System.IO.Path]`.

use super::super::stream::io_error;
use super::{argument, new_guid};
use crate::machine::powershell::error::Result;
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::Value;

pub(super) fn path_method(ps: &mut Interpreter, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let Some(first) = arguments.first() else {
        return Ok(match method {
            "gettemppath" => {
                Some(format!("{}\\", ps.around.environment.get("TEMP").unwrap_or("C:\\Windows\\Temp")).into())
            }
            "getrandomfilename" => Some(format!("{}.tmp", &new_guid(ps)[..8]).into()),
            "gettempfilename" => {
                let folder = ps.around.environment.get("TEMP").unwrap_or("C:\\Windows\\Temp").to_owned();
                let path = format!("{folder}\\tmp{}.tmp", &new_guid(ps)[..4]);
                let written = ps.around.machine.state().files.write(&path, Default::default());
                match written {
                    Ok(()) => Some(path.into()),
                    Err(error) => return io_error(error, &path).throw(),
                }
            }
            "getinvalidfilenamechars" => Some(Value::array("\"<>|:*?\\/".chars().map(Value::Char).collect())),
            _ => None,
        });
    };
    let text = first.to_text();
    let base = text.rsplit(['\\', '/', ':']).next().unwrap_or_default();
    let dot = base.rfind('.');
    Ok(Some(match (method, arguments.len()) {
        ("getfullpath", 1) => {
            if text.is_empty() {
                return argument("The path is not of a legal form.");
            }
            let full = crate::machine::vfs::full_path(&ps.process_directory, &text);
            match crate::machine::vfs::check(&full) {
                Ok(()) => full.into(),
                Err(error) => return io_error(error, &full).throw(),
            }
        }
        ("getdirectoryname", 1) => match text.replace('/', "\\") {
            path if path.len() == 3 && path.ends_with(":\\") => Value::Null,
            path => path
                .rfind('\\')
                .map_or("".into(), |at| if at == 2 { path[..3].into() } else { path[..at].into() }),
        },
        ("getfilename", 1) => base.into(),
        ("getfilenamewithoutextension", 1) => dot.map_or(base, |at| &base[..at]).into(),
        ("getextension", 1) => dot.map_or("", |at| &base[at..]).into(),
        ("hasextension", 1) => Value::Bool(dot.is_some()),
        ("changeextension", 2) => {
            let stem = dot.map_or(text.as_str(), |at| &text[..text.len() - (base.len() - at)]);
            let extension = arguments[1].to_text();
            if arguments[1].is_null() {
                stem.into()
            } else {
                format!("{stem}.{}", extension.trim_start_matches('.')).into()
            }
        }
        ("combine", 2..) => {
            let mut path = text;
            for part in arguments[1..].iter().map(Value::to_text) {
                if part.starts_with(['\\', '/']) || part.as_bytes().get(1) == Some(&b':') {
                    path = part;
                } else if !part.is_empty() {
                    let separator =
                        if path.is_empty() || path.ends_with(['\\', '/', ':']) { "" } else { "\\" };
                    path = format!("{path}{separator}{part}");
                }
            }
            path.into()
        }
        ("ispathrooted", 1) => {
            Value::Bool(text.starts_with(['\\', '/']) || text.as_bytes().get(1) == Some(&b':'))
        }
        ("getpathroot", 1) => text.get(..3).filter(|r| r.ends_with('\\')).unwrap_or_default().into(),
        _ => return Ok(None),
    }))
}
