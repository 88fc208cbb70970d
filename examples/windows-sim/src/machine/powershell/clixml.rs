//! Serialized output of the error stream, as `powershell.exe` writes it for a program that started it.

/// Text inside CLIXML: markup is escaped, and what XML cannot hold is `_xHHHH_`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A literal `_x` would be read as an escape.
            '_' if rest[1..].starts_with(['x', 'X']) => out.push_str("_x005F_"),
            c if c.is_control() => out.push_str(&format!("_x{:04X}_", u32::from(c))),
            c if u32::from(c) > 0xFFFF => out.push(c),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// What stands before the first object.
pub(super) const HEADER: &str = "#< CLIXML\r\n";
pub(super) const OPEN: &str =
    "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">";
pub(super) const CLOSE: &str = "</Objs>";

/// The record about preparing modules that every first command causes.
pub(super) const PREPARING: &str = "<Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T><T>System.Object</T></TN><MS><I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>Preparing modules for first use.</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>";

/// One line of a text stream (`Error`, `Warning`, `verbose` …).
pub(super) fn line(stream: &str, text: &str) -> String {
    format!("<S S=\"{stream}\">{}</S>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn escapes_are_those_of_clixml() {
        assert_eq!(escape("a<b>\r\n_x000D_"), "a&lt;b&gt;_x000D__x000A__x005F_x000D_");
    }
}
