//! The operations of the text shell, one request each.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use super::{
    connection::{Connection, Failure},
    soap::{
        Action, Envelope,
        body::{self, SignalCode},
        escape::escape,
        reply::{self, Identity, Output, ReplyError},
        tree::Element,
    },
};
use crate::{Error, error::Layer};

type Answer<T> = Result<T, Failure>;

impl Connection {
    /// Asks who answers.
    pub(super) async fn identify(&mut self) -> Answer<Identity> {
        let root = self.operate(Action::Identify, None, &[], "").await?;
        reply::identity(&root).map_err(unreadable)
    }

    /// Opens a shell of that name, and gives the name the host has for it.
    pub(super) async fn create(
        &mut self,
        shell_id: &str,
        environment: &BTreeMap<String, String>,
        working_directory: Option<&str>,
    ) -> Answer<String> {
        let idle = self.host.settings.shell_idle_timeout;
        let body = body::create(shell_id, environment, working_directory, idle).map_err(Failure::Refused)?;
        // The code page is what makes cmd and the programs it starts speak UTF-8.
        let options = [("WINRS_NOPROFILE", "FALSE"), ("WINRS_CODEPAGE", "65001")];
        let root = self.operate(Action::Create, None, &options, &body).await?;
        reply::shell_id(&root).map_err(unreadable)
    }

    /// Starts a command and gives its id. Standard input is a pipe, so that its end can be said.
    pub(super) async fn command(
        &mut self,
        shell: &str,
        program: &str,
        arguments: &[String],
    ) -> Answer<String> {
        let body = body::command(program, arguments).map_err(Failure::Refused)?;
        // PowerShell goes through cmd.exe as well: started directly, its full path would have to be known.
        let options = [("WINRS_CONSOLEMODE_STDIN", "FALSE"), ("WINRS_SKIP_CMD_SHELL", "FALSE")];
        let root = self.operate(Action::Command, Some(shell), &options, &body).await?;
        reply::command_id(&root).map_err(unreadable)
    }

    /// Feeds standard input. A host that takes its time has taken the data all the same.
    pub(super) async fn send(&mut self, shell: &str, command: &str, bytes: &[u8], end: bool) -> Answer<()> {
        let body = body::send(&id(command)?, bytes, end);
        match self.operate(Action::Send, Some(shell), &[], &body).await {
            Err(Failure::Fault(fault)) if fault.is_timed_out() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Feeds standard input with what is in base64 already, in one message.
    pub(super) async fn send_encoded(&mut self, shell: &str, command: &str, encoded: &str) -> Answer<()> {
        let body = body::send_encoded(&id(command)?, encoded);
        match self.operate(Action::Send, Some(shell), &[], &body).await {
            Err(Failure::Fault(fault)) if fault.is_timed_out() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Waits for output, up to `wait_max` or else the operation time-out; nothing yet is an empty answer.
    pub(super) async fn receive(
        &mut self,
        shell: &str,
        command: &str,
        wait_max: Option<Duration>,
    ) -> Answer<Output> {
        let body = body::receive(&id(command)?);
        let wait_max = wait_max.unwrap_or(self.host.settings.operation_timeout);
        match self.operate_within(wait_max, Action::Receive, Some(shell), &[], &body).await {
            Ok(root) => reply::output(&root).map_err(unreadable),
            Err(Failure::Fault(fault)) if fault.is_timed_out() => Ok(Output::default()),
            Err(failure) => Err(failure),
        }
    }

    /// Signals a command.
    pub(super) async fn signal(&mut self, shell: &str, command: &str, code: SignalCode) -> Answer<()> {
        let body = body::signal(&id(command)?, code);
        self.operate(Action::Signal, Some(shell), &[], &body).await.map(drop)
    }

    /// Deletes a shell with whatever runs in it. A shell that is gone already is as good.
    pub(super) async fn delete(&mut self, shell: &str) -> Answer<()> {
        match self.operate(Action::Delete, Some(shell), &[], "").await {
            Err(Failure::Fault(fault)) if fault.is_shell_gone() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn operate(
        &mut self,
        action: Action,
        shell: Option<&str>,
        options: &[(&str, &str)],
        body: &str,
    ) -> Answer<Element> {
        let operation_timeout = self.host.settings.operation_timeout;
        self.operate_within(operation_timeout, action, shell, options, body).await
    }

    async fn operate_within(
        &mut self,
        operation_timeout: Duration,
        action: Action,
        shell: Option<&str>,
        options: &[(&str, &str)],
        body: &str,
    ) -> Answer<Element> {
        let settings = &self.host.settings;
        let shell = shell.map(id).transpose()?;
        let message_id = Uuid::now_v7();
        let document = Envelope {
            action,
            to: &self.host.to,
            shell_id: shell.as_deref(),
            options,
            operation_timeout,
            envelope_bytes_max: settings.envelope_bytes_max,
            body,
        }
        .render(message_id);
        self.call(document, message_id, operation_timeout).await
    }
}

/// An id of the host on its way back to it.
fn id(text: &str) -> Result<String, Failure> {
    escape(text).ok_or_else(|| {
        Failure::Refused(Error::transport(Layer::Protocol, "the host gave an id that XML cannot carry"))
    })
}

fn unreadable(error: ReplyError) -> Failure {
    let message = "the host's answer is not what was asked for";
    Failure::Broken(Error::transport(Layer::Protocol, message).with_source(error))
}
