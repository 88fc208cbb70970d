//! The command line of `powershell.exe`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::eval::Interpreter;
use super::host::Host;
use super::value::Value;
use crate::machine::surroundings::Surroundings;
use crate::machine::{codepage, command_line};

/// What to run, and how.
enum Job {
    Text(String),
    File(String, Vec<Value>),
    /// Commands from standard input, one complete statement after the other.
    Stdin,
}

struct Options {
    job: Job,
    clixml: bool,
    wants_input: bool,
    directory: Option<String>,
}

const BAD_ENCODED: &str = "Cannot process the command because the value specified with -EncodedCommand is not properly encoded. The value must be Base64 encoded.\r\n";

/// `powershell.exe` with what follows its name.
pub(crate) async fn run_program(around: Surroundings, rest: &str) -> i32 {
    let options = match options(rest) {
        Ok(options) => options,
        Err(message) => {
            around.complain(&message).await;
            return if message == BAD_ENCODED { 1 } else { -196_608 };
        }
    };
    let mut around = around;
    if let Some(directory) = options.directory {
        let full = around.full_path(&directory);
        if around.machine.state().files.is_directory(&full) {
            around.directory = full;
        }
    }
    let stdin = around.stdin.clone();
    let mut ps = Interpreter::new(around, Host::new(options.clixml));
    match options.job {
        Job::Text(text) => {
            if options.wants_input && text.to_lowercase().contains("$input") {
                let bytes = stdin.read_to_end().await;
                let text = codepage::decode(ps.input_code_page, &bytes);
                let lines = text.lines().map(Value::from).collect();
                ps.set_global("input", Value::array(lines));
            }
            ps.run_script(&text, None, &[]).await
        }
        Job::Stdin => {
            let bytes = stdin.read_to_end().await;
            let text = codepage::decode(ps.input_code_page, &bytes);
            ps.run_script(&text, None, &[]).await
        }
        Job::File(path, arguments) => {
            let full = ps.location_path(&path);
            let data = ps.around.machine.state().files.read(&full);
            match data {
                Ok(data) if full.to_lowercase().ends_with(".ps1") => {
                    let text = super::types::encoding::Encoding::DEFAULT.decode_file(&data);
                    if let Some(folder) = crate::machine::vfs::parent(&full) {
                        ps.set_global("psscriptroot", folder.into());
                    }
                    ps.set_global("pscommandpath", full.as_str().into());
                    ps.run_script(&text, Some(full), &arguments).await
                }
                _ => {
                    ps.around
                        .complain(&format!("The argument '{path}' to the -File parameter does not exist. Provide the path to an existing '.ps1' file as an argument to the -File parameter.\r\n"))
                        .await;
                    -196_608
                }
            }
        }
    }
}

fn options(rest: &str) -> Result<Options, String> {
    let arguments = command_line::split(rest);
    let mut clixml = None;
    let mut encoded = false;
    let mut wants_input = true;
    let mut directory = None;
    let mut i = 0;
    let mut job = None;
    while i < arguments.len() {
        let argument = &arguments[i];
        let Some(name) = argument.strip_prefix(['-', '/']) else {
            // What is no switch is the command.
            job = Some(Job::Text(arguments[i..].join(" ")));
            break;
        };
        let lower = name.to_ascii_lowercase();
        let is = |full: &str, least: &str| full.starts_with(&lower) && lower.len() >= least.len();
        let value = arguments.get(i + 1);
        if argument == "-" {
            job = Some(Job::Stdin);
            break;
        } else if is("encodedcommand", "e") || lower == "ec" {
            let text = value.and_then(|v| decode(v)).ok_or_else(|| BAD_ENCODED.to_owned())?;
            encoded = true;
            job = Some(Job::Text(text));
            i += 1;
        } else if is("command", "c") {
            let text = arguments[i + 1..].join(" ");
            job = Some(if text == "-" { Job::Stdin } else { Job::Text(text) });
            break;
        } else if is("file", "f") {
            let path = value.cloned().unwrap_or_default();
            let rest = arguments.get(i + 2..).unwrap_or_default();
            job = Some(if path == "-" {
                Job::Stdin
            } else {
                Job::File(path, rest.iter().map(|a| a.as_str().into()).collect())
            });
            break;
        } else if is("outputformat", "o") || lower == "of" {
            clixml = value.map(|v| v.eq_ignore_ascii_case("xml"));
            i += 1;
        } else if is("inputformat", "in") || lower == "if" {
            wants_input = !value.is_some_and(|v| v.eq_ignore_ascii_case("none"));
            i += 1;
        } else if is("workingdirectory", "wo") {
            directory = value.cloned();
            i += 1;
        } else if is("executionpolicy", "ex")
            || lower == "ep"
            || is("windowstyle", "w")
            || is("version", "v")
            || is("configurationname", "config")
            || is("psconsolefile", "psc")
        {
            i += 1;
        } else if is("noprofile", "nop")
            || is("noninteractive", "noni")
            || is("nologo", "nol")
            || is("noexit", "noe")
            || is("sta", "s")
            || is("mta", "mta")
        {
        } else if lower == "help" || lower == "?" || lower == "h" {
            job =
                Some(Job::Text("'PowerShell[.exe] [-PSConsoleFile <file> | -Version <version>]'".to_owned()));
            break;
        } else {
            // An unknown switch starts the command, as in Windows PowerShell.
            job = Some(Job::Text(arguments[i..].join(" ")));
            break;
        }
        i += 1;
    }
    // Without anything to run, the script comes from standard input.
    let job = job.unwrap_or(Job::Stdin);
    Ok(Options { job, clixml: clixml.unwrap_or(encoded), wants_input, directory })
}

fn decode(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim().as_bytes()).ok()?;
    if bytes.len() % 2 != 0 {
        return None;
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}
