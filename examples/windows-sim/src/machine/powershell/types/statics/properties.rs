//! Static properties: `[type]::name`, read and set.

use super::super::encoding::Encoding;
use super::super::enumerations::{enum_member, enum_names};
use super::super::native::{Console, Native};
use super::super::objects::{self, encoding, encoding_of};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::Value;

/// A static property; none when the type has none of that name.
pub(in super::super::super) fn get(ps: &Interpreter, full: &str, name: &str) -> Option<Value> {
    if let Some((name, number)) =
        enum_names(full).and_then(|e| e.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)))
    {
        return Some(enum_member(full, name, *number));
    }
    let console = |c, type_name| Value::object(type_name, Vec::new(), Native::Console(c));
    Some(match (full, name.to_ascii_lowercase().as_str()) {
        ("System.Console", "in") => console(Console::In, "System.IO.TextReader+SyncTextReader"),
        ("System.Console", "out") => console(Console::Out, "System.IO.TextWriter+SyncTextWriter"),
        ("System.Console", "error") => console(Console::Error, "System.IO.TextWriter+SyncTextWriter"),
        ("System.Console", "outputencoding") => encoding(Encoding::of_code_page(ps.around.code_page)),
        ("System.Console", "inputencoding") => encoding(Encoding::of_code_page(ps.input_code_page)),
        ("System.Console", "isinputredirected" | "isoutputredirected" | "iserrorredirected") => {
            Value::Bool(true)
        }
        ("System.Text.Encoding", "utf8") => encoding(Encoding::Utf8 { bom: true }),
        ("System.Text.Encoding", "unicode") => encoding(Encoding::Utf16),
        ("System.Text.Encoding", "bigendianunicode") => encoding(Encoding::Utf16BigEndian),
        ("System.Text.Encoding", "ascii") => encoding(Encoding::Ascii),
        ("System.Text.Encoding", "default") => encoding(Encoding::DEFAULT),
        ("System.Environment", "newline") => "\r\n".into(),
        ("System.Environment", "machinename") => ps.around.machine.name().to_uppercase().into(),
        ("System.Environment", "username") => {
            ps.around.environment.get("USERNAME").unwrap_or_default().into()
        }
        ("System.Environment", "userdomainname") => {
            ps.around.environment.get("USERDOMAIN").unwrap_or_default().into()
        }
        ("System.Environment", "currentdirectory") => ps.process_directory.as_str().into(),
        ("System.Environment", "is64bitprocess" | "is64bitoperatingsystem") => Value::Bool(true),
        ("System.Environment", "userinteractive") => Value::Bool(false),
        ("System.Environment", "processorcount") => Value::Int(2),
        ("System.Environment", "tickcount") => Value::Int(ps.started.elapsed().as_millis() as i32),
        ("System.Environment", "osversion") => Value::object(
            "System.OperatingSystem",
            vec![
                ("Platform".into(), "Win32NT".into()),
                ("Version".into(), objects::version("10.0.20348.0").ok()?),
                ("VersionString".into(), "Microsoft Windows NT 10.0.20348.0".into()),
                ("__text".into(), "Microsoft Windows NT 10.0.20348.0".into()),
            ],
            Native::None,
        ),
        ("System.DateTime", "now") => Value::Date(chrono::Local::now().naive_local()),
        ("System.DateTime", "utcnow") => Value::Date(chrono::Utc::now().naive_utc()),
        ("System.DateTime", "today") => Value::Date(chrono::Local::now().date_naive().and_hms_opt(0, 0, 0)?),
        ("System.TimeSpan", "zero") => Value::Span(0),
        ("System.Math", "pi") => Value::Double(std::f64::consts::PI),
        ("System.Math", "e") => Value::Double(std::f64::consts::E),
        ("System.String", "empty") => "".into(),
        ("System.Int32", "maxvalue") => Value::Int(i32::MAX),
        ("System.Int32", "minvalue") => Value::Int(i32::MIN),
        ("System.Int64", "maxvalue") => Value::Long(i64::MAX),
        ("System.Int64", "minvalue") => Value::Long(i64::MIN),
        ("System.Byte", "maxvalue") => Value::Byte(255),
        ("System.Double", "maxvalue") => Value::Double(f64::MAX),
        ("System.IO.Path", "directoryseparatorchar") => Value::Char('\\'),
        ("System.IO.Path", "pathseparator") => Value::Char(';'),
        ("System.Management.Automation.Language.NullString", "value") => {
            Value::object("System.Management.Automation.Language.NullString", Vec::new(), Native::NullString)
        }
        ("System.Guid", "empty") => "00000000-0000-0000-0000-000000000000".into(),
        _ => return None,
    })
}

/// `[type]::name = value`; false when it cannot be set.
pub(in super::super::super) fn set(ps: &mut Interpreter, full: &str, name: &str, value: &Value) -> bool {
    let page = encoding_of(value).map(Encoding::code_page);
    match (full, name.to_ascii_lowercase().as_str()) {
        ("System.Console", "outputencoding") => ps.around.code_page = page.unwrap_or(ps.around.code_page),
        ("System.Console", "inputencoding") => ps.input_code_page = page.unwrap_or(ps.input_code_page),
        ("System.Environment", "currentdirectory") => ps.process_directory = value.to_text(),
        _ => return false,
    }
    true
}
