//! What the model's commands are written in: one word and its arguments a line.

use std::time::Duration;

use opsconductor_core::testing::transport::Dialect;

#[derive(Debug)]
pub(super) struct Words;

impl Dialect for Words {
    fn line_end(&self) -> &'static str {
        "\n"
    }

    fn print(&self, text: &str) -> String {
        format!("print {text}")
    }

    fn print_error(&self, text: &str) -> String {
        format!("error {text}")
    }

    fn print_lines(&self, lines: usize, text: &str) -> Option<String> {
        Some(format!("lines {lines} {text}"))
    }

    fn wait(&self, time: Duration) -> String {
        format!("wait {}", time.as_millis())
    }

    fn wait_for(&self, path: &str) -> Option<String> {
        Some(format!("wait-for {path}"))
    }

    fn append(&self, path: &str, line: &str) -> String {
        format!("append {path} {line}")
    }

    fn show(&self, path: &str) -> String {
        format!("show {path}")
    }

    fn print_variable(&self, name: &str) -> String {
        format!("variable {name}")
    }

    fn print_input(&self) -> String {
        "input".to_owned()
    }

    fn print_directory(&self) -> String {
        "directory".to_owned()
    }

    fn other_directory(&self) -> String {
        "/elsewhere".to_owned()
    }

    fn path(&self, name: &str) -> String {
        format!("/scratch/{name}")
    }
}
