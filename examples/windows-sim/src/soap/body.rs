//! The bodies of the messages.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use roxmltree::Node;

use super::{
    action::Action,
    duration,
    fault::Fault,
    names,
    request::{
        CreateShell, Enumerate, Input, Operation, Pull, Signal, SignalCommand, StartCommand, child,
        selectors, text_of,
    },
};

/// Reads the body of an action.
pub(super) fn read(
    action: Action,
    body: Node<'_, '_>,
    options: &[(String, String)],
) -> Result<Operation, Fault> {
    let element = |name| child(body, names::SHELL, name).ok_or_else(Fault::schema);
    match action {
        Action::Identify => Ok(Operation::Identify),
        Action::Create => create(element("Shell")?, options).map(Operation::Create),
        Action::Command => command(element("CommandLine")?, options).map(Operation::Command),
        Action::Send => send(element("Send")?).map(Operation::Send),
        Action::Receive => receive(element("Receive")?).map(Operation::Receive),
        Action::Signal => signal(element("Signal")?).map(Operation::Signal),
        Action::Get => Ok(Operation::Get),
        Action::Delete => Ok(Operation::Delete),
        Action::Disconnect => disconnect(element("Disconnect")?).map(Operation::Disconnect),
        Action::Reconnect => Ok(Operation::Reconnect),
        Action::Connect => Ok(Operation::Connect),
        Action::Enumerate => enumerate(body).map(Operation::Enumerate),
        Action::Pull => pull(body).map(Operation::Pull),
        Action::Release => Ok(Operation::Release),
        // No envelope can name them.
        Action::Negotiate | Action::Authenticate => Err(Fault::unknown_action()),
    }
}

fn create(shell: Node<'_, '_>, options: &[(String, String)]) -> Result<CreateShell, Fault> {
    let text = |name| child(shell, names::SHELL, name).map(text_of);
    for (streams, known) in [("InputStreams", &["stdin"][..]), ("OutputStreams", &["stdout", "stderr"])] {
        let text = text(streams).unwrap_or_default();
        if text.split_whitespace().any(|stream| !known.contains(&stream)) {
            return Err(Fault::invalid_parameter());
        }
    }
    let variables = child(shell, names::SHELL, "Environment").map(|environment| environment.children());
    let environment = variables
        .into_iter()
        .flatten()
        .filter(|node| node.has_tag_name((names::SHELL, "Variable")))
        .map(|node| {
            node.attribute("Name").map(|name| (name.to_owned(), text_of(node))).ok_or_else(Fault::schema)
        })
        .collect::<Result<_, _>>()?;
    let code_page = option(options, "WINRS_CODEPAGE")
        .map(|value| value.trim().parse().map_err(|_| Fault::invalid_option()))
        .transpose()?;
    flag(options, "WINRS_NOPROFILE")?;
    let id = shell.attribute("ShellId").map(str::to_uppercase);
    if id.as_deref().is_some_and(|id| !is_guid(id)) {
        return Err(Fault::invalid_parameter());
    }
    Ok(CreateShell {
        id,
        idle_timeout: span(text("IdleTimeOut"))?,
        lifetime: span(text("Lifetime"))?,
        working_directory: text("WorkingDirectory").filter(|directory| !directory.is_empty()),
        environment,
        code_page,
    })
}

/// 32 hexadecimal digits in five groups.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn command(line: Node<'_, '_>, options: &[(String, String)]) -> Result<StartCommand, Fault> {
    let command = child(line, names::SHELL, "Command").map(text_of).ok_or_else(Fault::schema)?;
    if command.trim().is_empty() {
        return Err(Fault::invalid_parameter());
    }
    let arguments = line.children().filter(|node| node.has_tag_name((names::SHELL, "Arguments")));
    flag(options, "WINRS_CONSOLEMODE_STDIN")?;
    Ok(StartCommand {
        command,
        arguments: arguments.map(text_of).collect(),
        skip_cmd_shell: flag(options, "WINRS_SKIP_CMD_SHELL")?,
    })
}

fn send(send: Node<'_, '_>) -> Result<Input, Fault> {
    let mut streams = send.children().filter(|node| node.has_tag_name((names::SHELL, "Stream")));
    let (Some(stream), None) = (streams.next(), streams.next()) else { return Err(Fault::schema()) };
    if stream.attribute("Name") != Some("stdin") {
        return Err(Fault::invalid_parameter());
    }
    let mut text = text_of(stream);
    if text.contains(|c: char| c.is_ascii_whitespace()) {
        text.retain(|c| !c.is_ascii_whitespace());
    }
    Ok(Input {
        command: command_id(stream)?,
        data: BASE64.decode(text).map_err(|_| Fault::schema())?,
        end: stream.attribute("End").map(boolean).transpose()?.unwrap_or(false),
    })
}

fn receive(receive: Node<'_, '_>) -> Result<String, Fault> {
    let stream = child(receive, names::SHELL, "DesiredStream").ok_or_else(Fault::schema)?;
    let streams = text_of(stream);
    let mut wanted: Vec<_> = streams.split_whitespace().collect();
    wanted.sort_unstable();
    // The simulated host serves both streams together, which is what every client of a text shell asks for.
    if wanted != ["stderr", "stdout"] {
        return Err(Fault::invalid_parameter());
    }
    command_id(stream)
}

fn signal(signal: Node<'_, '_>) -> Result<SignalCommand, Fault> {
    let code = child(signal, names::SHELL, "Code").map(text_of).ok_or_else(Fault::schema)?;
    let name = code.trim().strip_prefix(names::SHELL).and_then(|rest| rest.strip_prefix("/signal/"));
    let signal_code = match name {
        Some("ctrl_c" | "ctrl_break") => Signal::Interrupt,
        Some("terminate" | "Terminate") => Signal::Terminate,
        _ => return Err(Fault::invalid_parameter()),
    };
    Ok(SignalCommand { command: command_id(signal)?, signal: signal_code })
}

/// The idle time-out the shell is to have while nobody is connected to it.
fn disconnect(disconnect: Node<'_, '_>) -> Result<Option<Duration>, Fault> {
    let text = |name| child(disconnect, names::SHELL, name).map(text_of);
    // `Drop`, which would throw away what does not fit into the pipe, is not modelled.
    if text("BufferMode").is_some_and(|mode| mode.trim() != "Block") {
        return Err(Fault::invalid_parameter());
    }
    span(text("IdleTimeOut").or_else(|| text("IdleTimeout")))
}

fn enumerate(body: Node<'_, '_>) -> Result<Enumerate, Fault> {
    let enumerate = child(body, names::ENUMERATION, "Enumerate").ok_or_else(Fault::schema)?;
    let filter = child(enumerate, names::WSMAN, "Filter");
    let shell = filter.and_then(|filter| selectors(filter).find(|(name, _)| name == "ShellId"));
    Ok(Enumerate {
        optimized: child(enumerate, names::WSMAN, "OptimizeEnumeration").is_some(),
        elements_max: count(child(enumerate, names::WSMAN, "MaxElements"))?,
        shell: shell.map(|(_, id)| id.trim().to_uppercase()),
    })
}

fn pull(body: Node<'_, '_>) -> Result<Pull, Fault> {
    let pull = child(body, names::ENUMERATION, "Pull").ok_or_else(Fault::schema)?;
    let context = child(pull, names::ENUMERATION, "EnumerationContext").ok_or_else(Fault::schema)?;
    Ok(Pull {
        context: text_of(context).trim().to_owned(),
        elements_max: count(child(pull, names::ENUMERATION, "MaxElements"))?,
    })
}

/// How many elements a client takes at once: one where it does not say.
fn count(node: Option<Node<'_, '_>>) -> Result<usize, Fault> {
    let Some(node) = node else { return Ok(1) };
    text_of(node).trim().parse().ok().filter(|count| *count > 0).ok_or_else(Fault::schema)
}

fn command_id(node: Node<'_, '_>) -> Result<String, Fault> {
    node.attribute("CommandId").map(|id| id.trim().to_uppercase()).ok_or_else(Fault::invalid_parameter)
}

fn span(text: Option<String>) -> Result<Option<Duration>, Fault> {
    text.map(|text| duration::parse(&text).ok_or_else(Fault::schema)).transpose()
}

fn option<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    options.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
}

fn flag(options: &[(String, String)], name: &str) -> Result<bool, Fault> {
    option(options, name).map_or(Ok(false), |value| boolean(value).map_err(|_| Fault::invalid_option()))
}

fn boolean(text: &str) -> Result<bool, Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::schema()),
    }
}
