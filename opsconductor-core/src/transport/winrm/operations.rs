//! The operations of the text shell, one request each.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    connection::{self, Connection},
    failure::Failure,
    soap::{
        Action, Envelope,
        body::{self, Body, SignalCode},
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
        self.ask(Request::new(Action::Identify, None, Body::Empty), reply::identity).await
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
        let request = Request { options: &options, ..Request::new(Action::Create, None, Body::Made(body)) };
        self.ask(request, reply::shell_id).await
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
        let request =
            Request { options: &options, ..Request::new(Action::Command, Some(shell), Body::Made(body)) };
        self.ask(request, reply::command_id).await
    }

    /// Feeds standard input. A host that takes its time has taken the data all the same.
    pub(super) async fn send(&mut self, shell: &str, command: &str, bytes: &[u8], end: bool) -> Answer<()> {
        let body = Body::Send { command_id: &id(command)?, bytes, end };
        self.feed(shell, body).await
    }

    /// Feeds standard input with what is in base64 already, in one message.
    pub(super) async fn send_encoded(&mut self, shell: &str, command: &str, encoded: &str) -> Answer<()> {
        let body = Body::SendEncoded { command_id: &id(command)?, encoded };
        self.feed(shell, body).await
    }

    async fn feed(&mut self, shell: &str, body: Body<'_>) -> Answer<()> {
        match self.tell(Request::new(Action::Send, Some(shell), body)).await {
            Err(Failure::Fault(fault)) if fault.is_timed_out() => Ok(()),
            other => other,
        }
    }

    /// Waits for output, up to `wait_max` or else the operation time-out; nothing yet is an empty answer.
    pub(super) async fn receive(
        &mut self,
        shell: &str,
        command: &str,
        wait_max: Option<Duration>,
    ) -> Answer<Output> {
        let body = Body::Receive { command_id: &id(command)? };
        let request = Request { wait_max, ..Request::new(Action::Receive, Some(shell), body) };
        match self.ask(request, reply::output).await {
            Err(Failure::Fault(fault)) if fault.is_timed_out() => Ok(Output::default()),
            other => other,
        }
    }

    /// Signals a command.
    pub(super) async fn signal(&mut self, shell: &str, command: &str, code: SignalCode) -> Answer<()> {
        let body = Body::Signal { command_id: &id(command)?, code };
        self.tell(Request::new(Action::Signal, Some(shell), body)).await
    }

    /// Deletes a shell with whatever runs in it. A shell that is gone already is as good.
    pub(super) async fn delete(&mut self, shell: &str) -> Answer<()> {
        match self.ask(Request::new(Action::Delete, Some(shell), Body::Empty), |_| Ok(())).await {
            Err(Failure::Fault(fault)) if fault.is_shell_gone() => Ok(()),
            other => other,
        }
    }

    /// Makes a request and reads what the host answers.
    async fn ask<T>(
        &mut self,
        request: Request<'_>,
        read: impl FnOnce(&Element<'_>) -> Result<T, ReplyError>,
    ) -> Answer<T> {
        let (answer, message_id) = self.request(request).await?;
        self.read(&answer, message_id, read)
    }

    /// Makes a request of which it is enough to know that the host did it.
    async fn tell(&mut self, request: Request<'_>) -> Answer<()> {
        let (answer, message_id) = self.request(request).await?;
        if answer.done { Ok(()) } else { self.read(&answer, message_id, |_| Ok(())) }
    }

    async fn request(&mut self, request: Request<'_>) -> Answer<(connection::Answer, Uuid)> {
        let host = Arc::clone(&self.host);
        let message_id = self.next_message_id();
        let shell = request.shell.map(id).transpose()?;
        let envelope = Envelope {
            action: request.action,
            to: &host.to,
            shell_id: shell.as_deref(),
            options: request.options,
            operation_timeout: request.wait_max.unwrap_or(host.settings.operation_timeout),
            envelope_bytes_max: host.settings.envelope_bytes_max,
            message_id,
            body: request.body,
        };
        // Boxed, for it is awaited in many places, and each would make room for its state.
        Ok((Box::pin(self.call(&envelope)).await?, message_id))
    }
}

/// A request, as far as it is not the same for every one.
struct Request<'a> {
    action: Action,
    shell: Option<&'a str>,
    options: &'a [(&'a str, &'a str)],
    body: Body<'a>,
    /// How long the host may wait before it answers, where that is not the operation time-out.
    wait_max: Option<Duration>,
}

impl<'a> Request<'a> {
    fn new(action: Action, shell: Option<&'a str>, body: Body<'a>) -> Self {
        Self { action, shell, options: &[], body, wait_max: None }
    }
}

/// An id of the host on its way back to it.
fn id(text: &str) -> Result<Cow<'_, str>, Failure> {
    escape(text).ok_or_else(|| {
        Failure::Refused(Error::transport(Layer::Protocol, "the host gave an id that XML cannot carry"))
    })
}
