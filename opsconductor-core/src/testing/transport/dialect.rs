//! [`Dialect`]: how a host is told to do the simple things that the cases are made of.

use std::{fmt, time::Duration};

use crate::transport::Shell;

/// The language of one shell. The defaults are PowerShell on Windows.
///
/// A method gives `None` where the language cannot say it; the case then leaves that dialect out. What is printed is plain
/// (letters, digits, spaces) unless it comes from [`Dialect::odd_text`].
pub trait Dialect: fmt::Debug + Send + Sync {
    /// The shell that runs it.
    fn shell(&self) -> Shell {
        Shell::Powershell
    }

    /// How a line ends that the shell prints.
    fn line_end(&self) -> &'static str {
        "\r\n"
    }

    /// Text with everything that the shell can be made to print as it is, in one line.
    fn odd_text(&self) -> &'static str {
        "it's \"so\" $env:PATH `n %PATH% & | < > ^ ! #{x} é ß 日本 🦀"
    }

    /// Prints a line.
    fn print(&self, text: &str) -> String {
        format!("Write-Output {}", quoted(text))
    }

    /// Prints a line on standard error.
    fn print_error(&self, text: &str) -> String {
        format!("[Console]::Error.WriteLine({})", quoted(text))
    }

    /// Prints `1 <text>`, `2 <text>` and so on, a line each.
    fn print_lines(&self, lines: usize, text: &str) -> Option<String> {
        Some(format!("$text = {}; 1..{lines} | ForEach-Object {{ \"$_ $text\" }}", quoted(text)))
    }

    /// Ends with an exit code.
    fn exit(&self, code: i64) -> String {
        format!("exit {code}")
    }

    /// Exit codes that a process can give here, the largest among them.
    fn exit_codes(&self) -> Vec<i64> {
        vec![0, 1, 42, 255, 256, 70_000, 2_147_483_647]
    }

    /// Waits and says nothing.
    fn wait(&self, time: Duration) -> String {
        format!("Start-Sleep -Seconds {}", time.as_secs().max(1))
    }

    /// Waits until there is a file.
    fn wait_for(&self, path: &str) -> Option<String> {
        let path = quoted(path);
        Some(format!("while (-not (Test-Path -LiteralPath {path})) {{ Start-Sleep -Milliseconds 50 }}"))
    }

    /// Adds a line to a file.
    fn append(&self, path: &str, line: &str) -> String {
        format!("Add-Content -LiteralPath {} -Value {}", quoted(path), quoted(line))
    }

    /// Prints a file, or nothing when it is not there.
    fn show(&self, path: &str) -> String {
        let path = quoted(path);
        format!("if (Test-Path -LiteralPath {path}) {{ Get-Content -LiteralPath {path} }}")
    }

    /// Prints `[<value>]` for an environment variable, `[]` when there is none.
    fn print_variable(&self, name: &str) -> String {
        format!("Write-Output ('[' + $env:{name} + ']')")
    }

    /// Prints all of standard input, and ends with it. A line end may be added.
    fn print_input(&self) -> String {
        "Write-Output ([Console]::In.ReadToEnd())".to_owned()
    }

    /// Prints the directory it was started in.
    fn print_directory(&self) -> String {
        "Write-Output (Get-Location).Path".to_owned()
    }

    /// A directory that is there and that commands are not started in unasked.
    fn other_directory(&self) -> String {
        "C:\\Windows\\Temp".to_owned()
    }

    /// A path where a file of that name can be made.
    fn path(&self, name: &str) -> String {
        format!("C:\\Windows\\Temp\\{name}")
    }

    /// One after the other.
    fn join(&self, parts: &[String]) -> String {
        parts.join("\n")
    }

    /// Whether a command can be reattached to, when the connector can reattach at all.
    fn reattaches(&self) -> bool {
        true
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Windows PowerShell: the defaults of [`Dialect`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Powershell;

impl Dialect for Powershell {}

/// cmd.exe, which has one line and no quoting.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cmd;

impl Dialect for Cmd {
    fn shell(&self) -> Shell {
        Shell::Cmd
    }

    fn odd_text(&self) -> &'static str {
        "a-b_c, é ß 日本 🦀 \"q\" 'r' $x `y"
    }

    fn print(&self, text: &str) -> String {
        format!("echo {text}")
    }

    fn print_error(&self, text: &str) -> String {
        format!(">&2 echo {text}")
    }

    fn print_lines(&self, lines: usize, text: &str) -> Option<String> {
        // What a loop prints stays in one line of 8,191 characters.
        (text.len() < 4000).then(|| format!("for /L %i in (1,1,{lines}) do @echo %i {text}"))
    }

    fn wait(&self, time: Duration) -> String {
        format!("ping -n {} 127.0.0.1 >nul", time.as_secs().max(1) + 1)
    }

    fn wait_for(&self, _: &str) -> Option<String> {
        None
    }

    fn append(&self, path: &str, line: &str) -> String {
        format!(">>{path} echo {line}")
    }

    fn show(&self, path: &str) -> String {
        format!("(if exist {path} type {path})")
    }

    fn print_variable(&self, name: &str) -> String {
        format!("(if defined {name} (echo [%{name}%]) else echo [])")
    }

    fn print_input(&self) -> String {
        "more".to_owned()
    }

    fn print_directory(&self) -> String {
        "cd".to_owned()
    }

    fn join(&self, parts: &[String]) -> String {
        parts.join("&")
    }

    fn reattaches(&self) -> bool {
        false
    }
}

/// The POSIX shell, with files in `directory`.
#[derive(Debug, Clone)]
pub struct Sh {
    /// Where files can be made. It is there.
    pub directory: String,
}

impl Dialect for Sh {
    fn shell(&self) -> Shell {
        Shell::Sh
    }

    fn line_end(&self) -> &'static str {
        "\n"
    }

    fn odd_text(&self) -> &'static str {
        "it's \"so\" $HOME `id` $(id) \\n %s * ? [a] ~ & | < > ; ! #{x} é ß 日本 🦀 -e"
    }

    fn print(&self, text: &str) -> String {
        format!("printf '%s\\n' {}", quoted_sh(text))
    }

    fn print_error(&self, text: &str) -> String {
        format!("printf '%s\\n' {} >&2", quoted_sh(text))
    }

    fn print_lines(&self, lines: usize, text: &str) -> Option<String> {
        let text = quoted_sh(text);
        Some(format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); printf '%s %s\\n' $i {text}; done"))
    }

    fn exit_codes(&self) -> Vec<i64> {
        vec![0, 1, 42, 254, 255]
    }

    fn wait(&self, time: Duration) -> String {
        format!("sleep {}", time.as_secs().max(1))
    }

    fn wait_for(&self, path: &str) -> Option<String> {
        Some(format!("while [ ! -e {} ]; do sleep 0.05; done", quoted_sh(path)))
    }

    fn append(&self, path: &str, line: &str) -> String {
        format!("printf '%s\\n' {} >> {}", quoted_sh(line), quoted_sh(path))
    }

    fn show(&self, path: &str) -> String {
        format!("if [ -e {0} ]; then cat {0}; fi", quoted_sh(path))
    }

    fn print_variable(&self, name: &str) -> String {
        format!("printf '[%s]\\n' \"${name}\"")
    }

    fn print_input(&self) -> String {
        "cat".to_owned()
    }

    fn print_directory(&self) -> String {
        "pwd".to_owned()
    }

    fn other_directory(&self) -> String {
        self.directory.clone()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }
}

fn quoted_sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_mark_does_not_end_the_literal() {
        assert_eq!(Powershell.print("it's"), "Write-Output 'it''s'");
        assert_eq!(Cmd.join(&[Cmd.print("a"), Cmd.exit(3)]), "echo a&exit 3");
    }
}
