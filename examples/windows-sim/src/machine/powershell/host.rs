//! The console host: how errors and messages are printed.

use super::clixml::{self, Progress};
use super::error::ErrorRecord;
use super::eval::{ErrorAction, Interpreter};
use super::format::Formatter;
use crate::machine::codepage;

/// The console is 80 columns wide when there is none; the last column stays free.
const LINE_CHARS_MAX: usize = 79;

/// What the host keeps.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) formatter: Formatter,
    /// Serialize errors and messages (`-OutputFormat XML`, which redirected streams and `-EncodedCommand` give).
    pub(super) clixml: bool,
    opened: bool,
    /// How many progress records were written.
    records: u32,
}

/// An error as the console shows it, before wrapping.
pub(super) fn error_text(record: &ErrorRecord) -> String {
    let category = format!("    + CategoryInfo          : {}", record.category_line());
    let id = format!("    + FullyQualifiedErrorId : {}", record.id);
    let position = record.position_message();
    if record.is_parse_error {
        let position = position.map(|p| p + "\r\n").unwrap_or_default();
        return format!("{position}{}\r\n{category}\r\n{id}\r\n \r\n", record.exception.message);
    }
    let prefix = if record.prefix.is_empty() { String::new() } else { format!("{} : ", record.prefix) };
    let position = position.map(|p| format!("\r\n{p}")).unwrap_or_default();
    format!("{prefix}{}{position}\r\n{category}\r\n{id}\r\n \r\n", record.exception.message)
}

/// Breaks lines between words so that they fit the console.
pub(super) fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.strip_suffix("\r\n").unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let indent = if line.starts_with("    + ") { "   " } else { "" };
        let mut current = String::new();
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            let size = word.chars().count();
            let visible = word.trim_end().chars().count();
            if width > 0 && width + visible > LINE_CHARS_MAX && current.trim_start().chars().count() > 0 {
                lines.push(std::mem::take(&mut current));
                current.push_str(indent);
                width = indent.len();
            }
            let mut word = word;
            while width + word.trim_end().chars().count() > LINE_CHARS_MAX && width == indent.len() {
                let cut = word.char_indices().nth(LINE_CHARS_MAX - width).map_or(word.len(), |(at, _)| at);
                current.push_str(&word[..cut]);
                lines.push(std::mem::take(&mut current));
                word = &word[cut..];
                width = 0;
            }
            current.push_str(word);
            width += if word.len() == size { size } else { word.chars().count() };
        }
        lines.push(current);
    }
    lines
}

impl Host {
    pub(super) fn new(clixml: bool) -> Self {
        Self { clixml, ..Self::default() }
    }
}

impl Interpreter {
    /// Prints an error on the error stream.
    pub(super) async fn host_error(&mut self, record: &ErrorRecord) {
        self.flush_host().await;
        let lines = wrap(&error_text(record));
        self.side_lines("Error", &lines).await;
    }

    /// Prints a warning, a verbose or debug message, or information.
    pub(super) async fn host_message(&mut self, stream: u8, text: &str) {
        self.flush_host().await;
        let (name, label) = match stream {
            3 => ("warning", "WARNING: "),
            4 => ("verbose", "VERBOSE: "),
            5 => ("debug", "DEBUG: "),
            _ => ("information", ""),
        };
        if self.host.clixml && stream != 6 {
            self.open_clixml().await;
            let text = clixml::line(name, text);
            self.error_bytes(&text).await;
            return;
        }
        let text: String = wrap(&format!("{label}{text}")).iter().map(|l| format!("{l}\r\n")).collect();
        let bytes = codepage::encode(self.around.code_page, &text);
        self.around.stdout.clone().write(&bytes).await;
    }

    async fn side_lines(&mut self, stream: &str, lines: &[String]) {
        if self.host.clixml {
            self.open_clixml().await;
            let text: String = lines.iter().map(|l| clixml::line(stream, &format!("{l}\r\n"))).collect();
            self.error_bytes(&text).await;
        } else {
            let text: String = lines.iter().map(|l| format!("{l}\r\n")).collect();
            self.error_bytes(&text).await;
        }
    }

    async fn error_bytes(&mut self, text: &str) {
        let bytes = codepage::encode(self.around.code_page, text);
        self.around.stderr.clone().write(&bytes).await;
    }

    async fn open_clixml(&mut self) {
        if !std::mem::replace(&mut self.host.opened, true) {
            self.error_bytes(&format!("{}{}", clixml::HEADER, clixml::OPEN)).await;
        }
    }

    /// A progress record, which only the serialized stream shows here.
    pub(super) async fn host_progress(&mut self, record: &Progress) {
        let preference = self.named_variable("progresspreference").map(|v| v.to_text()).unwrap_or_default();
        let quiet = matches!(
            ErrorAction::parse(&preference),
            Some(ErrorAction::SilentlyContinue | ErrorAction::Ignore)
        );
        if self.host.clixml && !quiet {
            self.open_clixml().await;
            let text = clixml::progress(self.host.records, record);
            self.host.records += 1;
            self.error_bytes(&text).await;
        }
    }

    /// Closes the serialized stream.
    pub(super) async fn finish_errors(&mut self) {
        if self.host.opened {
            self.error_bytes(clixml::CLOSE).await;
        }
    }
}
