//! Type names: accelerators, short names and the types that are known at all.

/// Full names by the names scripts use. Names with `System.` left out are found too.
const TYPES: &[(&str, &str)] = &[
    ("array", "System.Array"),
    ("bigint", "System.Numerics.BigInteger"),
    ("bool", "System.Boolean"),
    ("byte", "System.Byte"),
    ("byte[]", "System.Byte[]"),
    ("char", "System.Char"),
    ("char[]", "System.Char[]"),
    ("datetime", "System.DateTime"),
    ("decimal", "System.Decimal"),
    ("double", "System.Double"),
    ("exception", "System.Exception"),
    ("float", "System.Single"),
    ("guid", "System.Guid"),
    ("hashtable", "System.Collections.Hashtable"),
    ("int", "System.Int32"),
    ("int[]", "System.Int32[]"),
    ("int16", "System.Int16"),
    ("int32", "System.Int32"),
    ("int64", "System.Int64"),
    ("long", "System.Int64"),
    ("math", "System.Math"),
    ("object", "System.Object"),
    ("object[]", "System.Object[]"),
    ("ordered", "System.Collections.Specialized.OrderedDictionary"),
    ("pscustomobject", "System.Management.Automation.PSCustomObject"),
    ("psobject", "System.Management.Automation.PSObject"),
    ("regex", "System.Text.RegularExpressions.Regex"),
    ("scriptblock", "System.Management.Automation.ScriptBlock"),
    ("single", "System.Single"),
    ("string", "System.String"),
    ("string[]", "System.String[]"),
    ("switch", "System.Management.Automation.SwitchParameter"),
    ("timespan", "System.TimeSpan"),
    ("type", "System.Type"),
    ("uint16", "System.UInt16"),
    ("uint32", "System.UInt32"),
    ("uint64", "System.UInt64"),
    ("uri", "System.Uri"),
    ("version", "System.Version"),
    ("void", "System.Void"),
    ("nullstring", "System.Management.Automation.Language.NullString"),
];

/// Types that have members here, or may be named in `catch` and `-is`.
const KNOWN: &[&str] = &[
    "System.ApplicationException",
    "System.ArgumentException",
    "System.ArgumentNullException",
    "System.ArgumentOutOfRangeException",
    "System.Array",
    "System.BitConverter",
    "System.Collections.ArrayList",
    "System.Collections.Generic.List[object]",
    "System.Collections.Generic.List[string]",
    "System.Collections.Generic.List[int]",
    "System.Collections.Generic.List[byte]",
    "System.Collections.IDictionary",
    "System.Collections.IEnumerable",
    "System.Console",
    "System.Convert",
    "System.Diagnostics.Stopwatch",
    "System.DivideByZeroException",
    "System.Environment",
    "System.EventArgs",
    "System.FormatException",
    "System.GC",
    "System.IO.Compression.CompressionMode",
    "System.IO.Compression.DeflateStream",
    "System.IO.Directory",
    "System.IO.DirectoryInfo",
    "System.IO.DirectoryNotFoundException",
    "System.IO.EndOfStreamException",
    "System.IO.File",
    "System.IO.FileAccess",
    "System.IO.FileInfo",
    "System.IO.FileMode",
    "System.IO.FileNotFoundException",
    "System.IO.FileShare",
    "System.IO.FileStream",
    "System.IO.IOException",
    "System.IO.InvalidDataException",
    "System.IO.MemoryStream",
    "System.IO.Path",
    "System.IO.PathTooLongException",
    "System.IO.SeekOrigin",
    "System.IO.Stream",
    "System.IO.StreamReader",
    "System.IO.StreamWriter",
    "System.IndexOutOfRangeException",
    "System.InvalidCastException",
    "System.InvalidOperationException",
    "System.Management.Automation.ActionPreference",
    "System.Management.Automation.ActionPreferenceStopException",
    "System.Management.Automation.CmdletInvocationException",
    "System.Management.Automation.CommandNotFoundException",
    "System.Management.Automation.ErrorRecord",
    "System.Management.Automation.ItemNotFoundException",
    "System.Management.Automation.MethodInvocationException",
    "System.Management.Automation.ParameterBindingException",
    "System.Management.Automation.ParseException",
    "System.Management.Automation.PSInvalidCastException",
    "System.Management.Automation.RuntimeException",
    "Microsoft.PowerShell.Commands.ServiceCommandException",
    "Microsoft.PowerShell.Commands.WriteErrorException",
    "System.NotImplementedException",
    "System.NotSupportedException",
    "System.NullReferenceException",
    "System.ObjectDisposedException",
    "System.OperationCanceledException",
    "System.OutOfMemoryException",
    "System.OverflowException",
    "System.Random",
    "System.Security.Cryptography.SHA256",
    "System.Security.Cryptography.SHA256Managed",
    "System.Security.Cryptography.SHA256CryptoServiceProvider",
    "System.Security.Cryptography.SHA384",
    "System.Security.Cryptography.SHA512",
    "System.Security.Cryptography.HashAlgorithm",
    "System.ServiceProcess.ServiceController",
    "System.StringComparison",
    "System.StringComparer",
    "System.StringSplitOptions",
    "System.SystemException",
    "System.Text.ASCIIEncoding",
    "System.Text.Encoding",
    "System.Text.StringBuilder",
    "System.Text.UTF8Encoding",
    "System.Text.UnicodeEncoding",
    "System.Threading.Thread",
    "System.TimeoutException",
    "System.UnauthorizedAccessException",
    "System.ValueType",
];

/// The full name of a type, when it is known.
pub(in super::super) fn resolve(name: &str) -> Option<String> {
    let name = name.trim();
    let lower = name.to_lowercase().replace(", ", ",");
    if let Some((_, full)) = TYPES.iter().find(|(short, _)| *short == lower) {
        return Some((*full).to_owned());
    }
    let with_system = format!("System.{name}");
    let same = |full: &str| full.eq_ignore_ascii_case(name) || full.eq_ignore_ascii_case(&with_system);
    if let Some((_, full)) = TYPES.iter().find(|(_, full)| same(full)) {
        return Some((*full).to_owned());
    }
    if let Some(full) = KNOWN.iter().find(|full| same(full)) {
        return Some((*full).to_owned());
    }
    let element = name.strip_suffix("[]")?;
    resolve(element).map(|element| format!("{element}[]"))
}

/// Whether a type of this full name is, or derives from, the other.
pub(in super::super) fn derives(type_name: &str, from: &str) -> bool {
    if type_name.eq_ignore_ascii_case(from) || from == "System.Object" || from.ends_with(".PSObject") {
        return true;
    }
    match from {
        "System.Exception" => type_name.ends_with("Exception"),
        "System.SystemException" => {
            type_name.ends_with("Exception") && !type_name.ends_with("ApplicationException")
        }
        "System.IO.IOException" => matches!(
            type_name,
            "System.IO.FileNotFoundException"
                | "System.IO.DirectoryNotFoundException"
                | "System.IO.EndOfStreamException"
                | "System.IO.PathTooLongException"
        ),
        "System.ArgumentException" => {
            matches!(type_name, "System.ArgumentNullException" | "System.ArgumentOutOfRangeException")
        }
        "System.InvalidOperationException" => type_name == "System.ObjectDisposedException",
        "System.Management.Automation.RuntimeException" => {
            type_name.starts_with("System.Management.Automation.") && type_name.ends_with("Exception")
        }
        "System.Array" => type_name.ends_with("[]"),
        "System.Collections.IEnumerable" => {
            type_name.ends_with("[]") || type_name.starts_with("System.Collections.")
        }
        "System.Collections.IDictionary" => {
            type_name.ends_with(".Hashtable") || type_name.ends_with(".OrderedDictionary")
        }
        "System.ValueType" => matches!(
            type_name,
            "System.Int32"
                | "System.Int64"
                | "System.Double"
                | "System.Boolean"
                | "System.Byte"
                | "System.Char"
                | "System.DateTime"
                | "System.TimeSpan"
        ),
        "System.IO.Stream" => type_name.starts_with("System.IO.") && type_name.ends_with("Stream"),
        "System.Text.Encoding" => type_name.starts_with("System.Text.") && type_name.ends_with("Encoding"),
        _ => false,
    }
}
