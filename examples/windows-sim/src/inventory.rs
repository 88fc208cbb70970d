//! The shells of a host and their commands as WS-Transfer and WS-Enumeration show them.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    host::Host,
    operation::Caller,
    shell::Shell,
    soap::{
        duration,
        fault::Fault,
        names,
        request::{Enumerate, Operation, Request},
        response::escape,
    },
};

/// The most elements one answer holds.
const ELEMENTS_MAX: usize = 1000;
/// How an enumeration context begins. What follows is the id of the last element that was listed, so that the host need not
/// remember who is listing what.
const CONTEXT: &str = "uuid:";

/// The `Shell` element that describes a shell.
pub(crate) fn describe(host: &Host, shell: &Shell) -> String {
    let state = if shell.is_connected() { "Connected" } else { "Disconnected" };
    format!(
        "<rsp:Shell xmlns:rsp=\"{}\"><rsp:ShellId>{}</rsp:ShellId><rsp:ResourceUri>{}</rsp:ResourceUri>\
         <rsp:Owner>{}</rsp:Owner><rsp:ClientIP>{}</rsp:ClientIP><rsp:IdleTimeOut>{}</rsp:IdleTimeOut>\
         <rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>\
         <rsp:MaxIdleTimeOut>{}</rsp:MaxIdleTimeOut><rsp:BufferMode>Block</rsp:BufferMode><rsp:State>{state}</rsp:State>\
         <rsp:ShellRunTime>{}</rsp:ShellRunTime><rsp:ShellInactivity>{}</rsp:ShellInactivity>\
         <rsp:ChildProcesses>{}</rsp:ChildProcesses></rsp:Shell>",
        names::SHELL,
        shell.id,
        names::SHELL_CMD,
        escape(&format!("{}\\{}", host.name, shell.owner)),
        shell.client,
        duration::seconds(shell.idle_timeout),
        duration::seconds(host.quotas.shell_idle_timeout),
        duration::days(shell.opened.elapsed()),
        duration::days(shell.inactivity()),
        shell.commands().len(),
    )
}

/// Answers Enumerate, Pull and Release.
pub(crate) fn answer(host: &Arc<Host>, caller: &Caller, request: &Request) -> Result<String, Fault> {
    match &request.operation {
        Operation::Enumerate(enumerate) => begin(host, caller, &request.resource, enumerate),
        Operation::Pull(pull) => {
            let (shell, after) = read_context(&pull.context)?;
            let listed = list(host, caller, shell)?;
            let (items, context) = page(&listed, shell, after, pull.elements_max);
            let end = if context.is_some() { "" } else { "<n:EndOfSequence/>" };
            let context =
                context.map(|context| element("n:EnumerationContext", &context)).unwrap_or_default();
            Ok(format!("<n:PullResponse>{context}<n:Items>{items}</n:Items>{end}</n:PullResponse>"))
        }
        _ => Ok(String::new()),
    }
}

fn begin(host: &Host, caller: &Caller, resource: &str, enumerate: &Enumerate) -> Result<String, Fault> {
    let shell = match (resource, &enumerate.shell) {
        (names::SHELL_COMMAND, Some(shell)) => shell.as_str(),
        (names::SHELL_COMMAND, None) => return Err(Fault::shell_missing()),
        _ => "",
    };
    let listed = list(host, caller, shell)?;
    if !enumerate.optimized {
        let context = element("n:EnumerationContext", &write_context(shell, ""));
        return Ok(format!("<n:EnumerateResponse>{context}</n:EnumerateResponse>"));
    }
    let (items, context) = page(&listed, shell, "", enumerate.elements_max);
    let end = if context.is_some() { "" } else { "<w:EndOfSequence/>" };
    let context = element("n:EnumerationContext", &context.unwrap_or_default());
    Ok(format!("<n:EnumerateResponse>{context}<w:Items>{items}</w:Items>{end}</n:EnumerateResponse>"))
}

/// The elements to list, each with its id and in the order of ids: a shell's commands, or without a shell the shells. An
/// administrator sees everybody's, any other user his own.
fn list(host: &Host, caller: &Caller, shell: &str) -> Result<Vec<(String, String)>, Fault> {
    if !shell.is_empty() {
        let shell = host.shells.get(shell, &caller.user)?;
        let one = |id: &str| {
            format!(
                "<rsp:Command xmlns:rsp=\"{}\"><rsp:ShellId>{}</rsp:ShellId><rsp:CommandId>{id}</rsp:CommandId>\
                 </rsp:Command>",
                names::SHELL,
                shell.id
            )
        };
        return Ok(shell.commands().iter().map(|command| (command.id.clone(), one(&command.id))).collect());
    }
    let owner = (!host.machine.is_administrator(&caller.user)).then_some(caller.user.as_str());
    let shells = host.shells.list(owner);
    Ok(shells.iter().map(|shell| (shell.id.clone(), describe(host, shell))).collect())
}

/// The next elements after an id, and the context to go on with when there are more.
fn page(listed: &[(String, String)], shell: &str, after: &str, most: usize) -> (String, Option<String>) {
    let rest = &listed[listed.partition_point(|(id, _)| id.as_str() <= after)..];
    let (now, later) = rest.split_at(rest.len().min(most).min(ELEMENTS_MAX));
    let mut items = String::new();
    for (_, item) in now {
        items.push_str(item);
    }
    let last = now.last().filter(|_| !later.is_empty());
    (items, last.map(|(id, _)| write_context(shell, id)))
}

fn write_context(shell: &str, after: &str) -> String {
    let mut context = CONTEXT.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(context, "{shell}/{after}");
    context
}

fn read_context(context: &str) -> Result<(&str, &str), Fault> {
    context
        .strip_prefix(CONTEXT)
        .and_then(|context| context.split_once('/'))
        .ok_or_else(Fault::invalid_enumeration)
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}
