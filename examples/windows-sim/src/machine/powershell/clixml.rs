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

/// A progress record.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) activity: String,
    pub(super) id: i64,
    pub(super) operation: Option<String>,
    pub(super) parent: i64,
    pub(super) percent: i64,
    pub(super) seconds: i64,
    pub(super) status: String,
    pub(super) completed: bool,
}

impl Default for Progress {
    /// What is not known is -1.
    fn default() -> Self {
        Self {
            activity: String::new(),
            id: 0,
            operation: None,
            parent: -1,
            percent: -1,
            seconds: -1,
            status: "Processing".to_owned(),
            completed: false,
        }
    }
}

/// A progress record as the object of this number in the stream; the first one names the types for all.
pub(super) fn progress(number: u32, record: &Progress) -> String {
    let types = if number == 0 {
        "<TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T><T>System.Object</T></TN>"
    } else {
        "<TNRef RefId=\"0\" />"
    };
    let operation =
        record.operation.as_ref().map_or("<Nil />".to_owned(), |text| format!("<S>{}</S>", escape(text)));
    let kind = if record.completed { "Completed" } else { "Processing" };
    format!(
        "<Obj S=\"progress\" RefId=\"{number}\">{types}<MS><I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>{}</AV><AI>{}</AI>{operation}<PI>{}</PI><PC>{}</PC><T>{kind}</T><SR>{}</SR><SD>{}</SD></PR></MS></Obj>",
        escape(&record.activity),
        record.id,
        record.parent,
        record.percent,
        record.seconds,
        escape(&record.status),
    )
}

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
