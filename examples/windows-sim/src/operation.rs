//! What each message does.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    command::{Budget, Command, Received},
    host::Host,
    machine::{SpawnRequest, StreamName},
    shell::Shell,
    soap::{
        duration,
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
    /// The account's own name.
    pub(crate) user: String,
    /// Where from.
    pub(crate) address: IpAddr,
}

/// Acts on a message and writes the envelope that answers it.
pub(crate) async fn answer(host: &Arc<Host>, caller: &Caller, request: Request) -> Result<String, Fault> {
    let action = request.operation.action();
    let message_id = request.message_id.clone();
    let body = match request.operation {
        Operation::Identify => return Ok(identify(true)),
        Operation::Create(create) => open(host, caller, create)?,
        _ => in_shell(host, caller, request).await?,
    };
    Ok(envelope(&format!("{}Response", action.uri()), &message_id, &body))
}

fn open(host: &Arc<Host>, caller: &Caller, create: CreateShell) -> Result<String, Fault> {
    let shell = host.shells.open(host, &caller.user, create)?;
    let (id, uri) = (&shell.id, names::SHELL_CMD);
    Ok(format!(
        "<x:ResourceCreated><a:Address>http://{}:5985/wsman</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector>\
         </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell xmlns:rsp=\"{}\">\
         <rsp:ShellId>{id}</rsp:ShellId><rsp:ResourceUri>{uri}</rsp:ResourceUri><rsp:Owner>{}</rsp:Owner>\
         <rsp:ClientIP>{}</rsp:ClientIP><rsp:IdleTimeOut>{}</rsp:IdleTimeOut>\
         <rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>\
         <rsp:ShellRunTime>{}</rsp:ShellRunTime><rsp:ShellInactivity>{}</rsp:ShellInactivity></rsp:Shell>",
        escape(&host.name),
        names::SHELL,
        escape(&format!("{}\\{}", host.name, caller.user)),
        caller.address,
        duration::seconds(shell.idle_timeout),
        duration::days(Duration::ZERO),
        duration::days(Duration::ZERO),
    ))
}

async fn in_shell(host: &Arc<Host>, caller: &Caller, request: Request) -> Result<String, Fault> {
    let id = request.shell.ok_or_else(Fault::shell_missing)?;
    let shell = host.shells.get(&id, &caller.user)?;
    let timeout = request.timeout.min(host.quotas.operation_timeout_max);
    let _at_work = shell.at_work();
    match request.operation {
        Operation::Command(start) => start_command(host, caller, &shell, start),
        Operation::Send(input) => {
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
        Operation::Delete => {
            host.shells.close(&shell.id);
            Ok(String::new())
        }
        Operation::Identify | Operation::Create(_) => Err(Fault::unknown_action()),
    }
}

fn start_command(
    host: &Arc<Host>,
    caller: &Caller,
    shell: &Shell,
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
