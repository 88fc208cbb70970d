//! What each message does.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    command::{Budget, Command, Received},
    host::Host,
    inventory,
    journal::Executed,
    machine::{SpawnRequest, StreamName},
    shell::Shell,
    soap::{
        action::Action,
        fault::Fault,
        names,
        request::{CreateShell, Operation, Request, Signal, StartCommand},
        response::{envelope, escape, identify},
    },
};

/// The longest command line that `CreateProcess` takes.
const COMMAND_LINE_CHARS_MAX: usize = 32_767;

/// Who sent a message.
pub(crate) struct Caller {
    /// The account's own name; empty for a stranger, who may only ask what the host is.
    pub(crate) user: String,
    /// Where from.
    pub(crate) address: IpAddr,
}

/// Acts on a message and writes the envelope that answers it.
pub(crate) async fn answer(host: &Arc<Host>, caller: &Caller, request: Request) -> Result<String, Fault> {
    let action = request.operation.action();
    let message_id = request.message_id.clone();
    let changes = matches!(action, Action::Create | Action::Command | Action::Send);
    if changes && host.journal.repeats(&message_id) {
        host.tally.duplicates.up();
    }
    let body = match request.operation {
        Operation::Identify => return Ok(identify(!caller.user.is_empty())),
        Operation::Create(create) => open(host, caller, request.session, create)?,
        Operation::Enumerate(_) | Operation::Pull(_) | Operation::Release => {
            inventory::answer(host, caller, &request)?
        }
        _ => in_shell(host, caller, request).await?,
    };
    Ok(envelope(&format!("{}Response", action.uri()), &message_id, &body))
}

fn open(
    host: &Arc<Host>,
    caller: &Caller,
    session: Option<String>,
    create: CreateShell,
) -> Result<String, Fault> {
    let shell = host.shells.open(host, caller, session, create)?;
    let (id, uri) = (&shell.id, names::SHELL_CMD);
    Ok(format!(
        "<x:ResourceCreated><a:Address>http://{}:5985/wsman</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector>\
         </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>{}",
        escape(&host.name),
        inventory::describe(host, &shell),
    ))
}

async fn in_shell(host: &Arc<Host>, caller: &Caller, request: Request) -> Result<String, Fault> {
    let id = request.shell.as_deref().ok_or_else(Fault::shell_missing)?;
    let shell = host.shells.get(id, &caller.user)?;
    let timeout = request.timeout.min(host.quotas.operation_timeout_max);
    let _at_work = shell.at_work();
    match request.operation {
        Operation::Get => return Ok(inventory::describe(host, &shell)),
        Operation::Delete => {
            host.shells.close(&shell.id);
            return Ok(String::new());
        }
        Operation::Disconnect(idle_timeout) => {
            shell.disconnect(&session(request.session)?, idle_timeout)?;
            return Ok(empty("DisconnectResponse"));
        }
        Operation::Reconnect => {
            shell.reconnect(&session(request.session)?)?;
            return Ok(empty("ReconnectResponse"));
        }
        Operation::Connect => {
            shell.connect(&session(request.session)?)?;
            return Ok(empty("ConnectResponse"));
        }
        _ => {}
    }
    shell.while_connected(with_command(host, caller, &shell, request, timeout)).await
}

/// The messages about commands, which a shell takes only while somebody is connected to it.
async fn with_command(
    host: &Arc<Host>,
    caller: &Caller,
    shell: &Shell,
    request: Request,
    timeout: Duration,
) -> Result<String, Fault> {
    match request.operation {
        Operation::Command(start) => start_command(host, caller, shell, &request.message_id, start),
        Operation::Send(input) => {
            host.tally.stdin_bytes.add(input.data.len());
            shell.command(&input.command)?.send(input, timeout).await?;
            Ok(empty("SendResponse"))
        }
        Operation::Receive(command) => {
            let budget = Budget::of_envelope(request.envelope_bytes_max.min(host.quotas.envelope_bytes_max));
            let command = shell.command(&command)?;
            let received = command.receive(timeout, host.output_piece_bytes_max, budget).await?;
            Ok(receive_response(&command.id, &received))
        }
        Operation::Signal(signal) => {
            match signal.signal {
                Signal::Interrupt => shell.command(&signal.command)?.interrupt(),
                Signal::Terminate => shell.end(&signal.command)?,
            }
            Ok(empty("SignalResponse"))
        }
        _ => Err(Fault::unknown_action()),
    }
}

/// What a client that leaves or comes back must say.
fn session(header: Option<String>) -> Result<String, Fault> {
    header.ok_or_else(|| Fault::header_required("SessionId"))
}

fn start_command(
    host: &Arc<Host>,
    caller: &Caller,
    shell: &Shell,
    message_id: &str,
    start: StartCommand,
) -> Result<String, Fault> {
    let units = |text: &str| text.encode_utf16().count();
    let length = units(&start.command) + start.arguments.iter().map(|each| units(each) + 1).sum::<usize>();
    if length > COMMAND_LINE_CHARS_MAX {
        return Err(Fault::command_too_long());
    }
    let limit = host.quotas.operations_per_user_max;
    if host.shells.operations(&caller.user) >= limit {
        return Err(Fault::operations_exceeded(limit));
    }
    let line = start.arguments.iter().fold(start.command.clone(), |line, argument| line + " " + argument);
    let request = SpawnRequest {
        command: start.command,
        arguments: start.arguments,
        skip_cmd_shell: start.skip_cmd_shell,
        environment: shell.environment.clone(),
        working_directory: shell.working_directory.clone(),
        code_page: shell.code_page,
        user: format!("{}\\{}", host.name, caller.user),
    };
    let command =
        shell.add(host.quotas.processes_per_shell_max, || Command::new(host.machine.spawn(request)))?;
    host.tally.commands.up();
    host.journal.executed(Executed {
        user: caller.user.clone(),
        shell_id: shell.id.clone(),
        command_id: command.id.clone(),
        message_id: message_id.to_owned(),
        line: line.into(),
    });
    Ok(format!(
        "<rsp:CommandResponse xmlns:rsp=\"{}\"><rsp:CommandId>{}</rsp:CommandId></rsp:CommandResponse>",
        names::SHELL,
        command.id
    ))
}

fn receive_response(command: &str, received: &Received) -> String {
    let mut body = format!("<rsp:ReceiveResponse xmlns:rsp=\"{}\">", names::SHELL);
    for (stream, data) in &received.pieces {
        let name = match stream {
            StreamName::Stdout => "stdout",
            StreamName::Stderr => "stderr",
        };
        body.push_str(&format!("<rsp:Stream Name=\"{name}\" CommandId=\"{command}\">"));
        BASE64.encode_string(data, &mut body);
        body.push_str("</rsp:Stream>");
    }
    let state = format!("{}/CommandState", names::SHELL);
    match received.exit_code {
        Some(code) => {
            for name in ["stdout", "stderr"] {
                body.push_str(&format!(
                    "<rsp:Stream Name=\"{name}\" CommandId=\"{command}\" End=\"true\"></rsp:Stream>"
                ));
            }
            body.push_str(&format!(
                "<rsp:CommandState CommandId=\"{command}\" State=\"{state}/Done\"><rsp:ExitCode>{code}</rsp:ExitCode>\
                 </rsp:CommandState>"
            ));
        }
        None => body.push_str(&format!(
            "<rsp:CommandState CommandId=\"{command}\" State=\"{state}/Running\"></rsp:CommandState>"
        )),
    }
    body.push_str("</rsp:ReceiveResponse>");
    body
}

fn empty(name: &str) -> String {
    format!("<rsp:{name} xmlns:rsp=\"{}\"/>", names::SHELL)
}
