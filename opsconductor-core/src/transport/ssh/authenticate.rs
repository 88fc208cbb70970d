//! Logging on: each thing that a credential holds is shown once at most.

use std::sync::Arc;

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer},
    keys::{PrivateKeyWithHashAlg, agent::client::AgentClient},
};

use super::{
    account::{Key, Signer},
    client::Client,
    host::Host,
};
use crate::{Error, ErrorKind, Result, error::Layer};

/// How many times a host may ask something in a dialogue.
const QUESTIONS_MAX: usize = 8;

/// What came of showing one thing.
enum Shown {
    Accepted,
    /// Not enough, or not good: what the host would look at next, and whether it took this part.
    More(MethodSet, bool),
}

/// Logs on with the key, with the password, or with one after the other where the host wants both.
pub(super) async fn authenticate(
    handle: &mut Handle<Client>,
    host: &Arc<Host>,
    key: Option<Key>,
) -> Result<()> {
    let mut methods = None;
    let mut shown = Vec::new();
    if let Some(key) = key {
        shown.push("key");
        match show_key(handle, host, key).await? {
            Shown::Accepted => return Ok(()),
            Shown::More(next, _) => methods = Some(next),
        }
    }
    if let Some(password) = &host.account.password {
        let password = password.expose();
        let methods = match methods {
            Some(methods) => methods,
            // Asking what the host takes counts as no try; a password for a method that it does not take might.
            None => match result(handle.authenticate_none(&host.account.user).await)? {
                Shown::Accepted => return Ok(()),
                Shown::More(methods, _) => methods,
            },
        };
        if methods.contains(&MethodKind::Password) {
            shown.push("password");
            match result(handle.authenticate_password(&host.account.user, password).await)? {
                Shown::Accepted => return Ok(()),
                Shown::More(next, true) if next.contains(&MethodKind::KeyboardInteractive) => {
                    let message =
                        "the host takes the password and asks for more, which a credential cannot answer";
                    return Err(refusal(host, message.to_owned()));
                }
                Shown::More(..) => {}
            }
        } else if methods.contains(&MethodKind::KeyboardInteractive) {
            shown.push("password");
            if answer(handle, host, password).await? {
                return Ok(());
            }
        } else if !handle.is_closed() {
            let names: Vec<&str> = methods.iter().map(Into::into).collect();
            let message = format!(
                "the host takes no password of {}, only: {}; give the credential a private key",
                host.account.user,
                names.join(", ")
            );
            return Err(refusal(host, message));
        }
    }
    if handle.is_closed() {
        return Err(hung_up());
    }
    let message = format!("the host refused the {} of {}", shown.join(" and the "), host.account.user);
    Err(refusal(host, message))
}

async fn show_key(handle: &mut Handle<Client>, host: &Arc<Host>, key: Key) -> Result<Shown> {
    let user = host.account.user.clone();
    let rsa = match &key.signer {
        Signer::Here(key) => key.algorithm().is_rsa(),
        Signer::Agent(key) => key.algorithm().is_rsa(),
    };
    // Asking for it waits up to a second for hosts that never say, so only a key that needs to know asks.
    let hash = match rsa {
        true => handle.best_supported_rsa_hash().await.map_err(broken)?.flatten(),
        false => None,
    };
    match (key.signer, key.certificate) {
        (Signer::Here(key), None) => {
            let key = PrivateKeyWithHashAlg::new(key, hash);
            result(handle.authenticate_publickey(user, key).await)
        }
        (Signer::Here(key), Some(certificate)) => {
            result(handle.authenticate_openssh_cert(user, key, certificate).await)
        }
        (Signer::Agent(key), certificate) => {
            let mut agent = agent(host).await?;
            let outcome = match certificate {
                None => handle.authenticate_publickey_with(user, key, hash, &mut agent).await,
                Some(certificate) => {
                    handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await
                }
            };
            let outcome = outcome.map_err(|error| {
                let message = "the worker's SSH agent did not sign; does it hold the key of the credential?";
                Error::transport(Layer::Authentication, message).with_source(error)
            })?;
            result(Ok(outcome))
        }
    }
}

#[cfg(unix)]
async fn agent(host: &Host) -> Result<AgentClient<tokio::net::UnixStream>> {
    let Some(path) = &host.settings.agent else {
        let message = "the credential's key is a public one, whose private part an SSH agent must hold, and this worker \
                       uses none (SshSettings::agent)";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    };
    AgentClient::connect_uds(path).await.map_err(|error| {
        let message = "the worker's SSH agent does not answer";
        Error::transport(Layer::Authentication, message).with("socket", path.display()).with_source(error)
    })
}

#[cfg(not(unix))]
async fn agent(_: &Host) -> Result<AgentClient<tokio::net::TcpStream>> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "an SSH agent is used on Unix alone; give the credential a private key",
    ))
}

/// Answers a dialogue in which the host asks for the password, once.
async fn answer(handle: &mut Handle<Client>, host: &Host, password: &str) -> Result<bool> {
    let user = host.account.user.clone();
    let mut asked = handle.authenticate_keyboard_interactive_start(user, None).await.map_err(broken)?;
    let mut answered = false;
    for _ in 0..QUESTIONS_MAX {
        let prompts = match asked {
            Answer::Success => return Ok(true),
            Answer::Failure { .. } => return Ok(false),
            Answer::InfoRequest { prompts, .. } => prompts,
        };
        let answers = match prompts.as_slice() {
            // A word to people.
            [] => Vec::new(),
            // Asked again, it was refused.
            _ if answered => return Ok(false),
            [prompt] if !prompt.echo => {
                answered = true;
                vec![password.to_owned()]
            }
            _ => {
                let message = "the host asks for more than a password, which a credential cannot answer";
                return Err(refusal(host, message.to_owned()));
            }
        };
        asked = handle.authenticate_keyboard_interactive_respond(answers).await.map_err(broken)?;
    }
    Err(refusal(host, "the host goes on asking".to_owned()))
}

fn result(outcome: Result<AuthResult, russh::Error>) -> Result<Shown> {
    match outcome.map_err(broken)? {
        AuthResult::Success => Ok(Shown::Accepted),
        AuthResult::Failure { remaining_methods, partial_success } => {
            Ok(Shown::More(remaining_methods, partial_success))
        }
    }
}

fn refusal(host: &Host, message: String) -> Error {
    host.logon.set_refused();
    Error::transport(Layer::Authentication, message).with("user", &host.account.user)
}

fn broken(error: russh::Error) -> Error {
    Error::transport(Layer::Protocol, "the host hung up while we logged on").with_source(error)
}

fn hung_up() -> Error {
    Error::transport(
        Layer::Protocol,
        "the host hung up while we logged on; it may have had enough of wrong logons",
    )
}
