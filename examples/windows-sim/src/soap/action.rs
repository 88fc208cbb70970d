//! What a client may ask for.

/// What a client asks for: a WS-Management message, or a leg of the handshake before the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Who are you.
    Identify,
    /// Open a shell.
    Create,
    /// Describe a shell.
    Get,
    /// Close a shell.
    Delete,
    /// Start a command in a shell.
    Command,
    /// Write to a command's standard input.
    Send,
    /// Wait for a command's output.
    Receive,
    /// Interrupt or end a command.
    Signal,
    /// Leave a shell for a while.
    Disconnect,
    /// Come back to a shell.
    Reconnect,
    /// Come to a shell that another session left.
    Connect,
    /// List shells, or the commands of a shell.
    Enumerate,
    /// List more of them.
    Pull,
    /// List no more of them.
    Release,
    /// The first leg of the handshake. It is no message.
    Negotiate,
    /// The second leg of the handshake. It is no message.
    Authenticate,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Identify,
        Self::Create,
        Self::Get,
        Self::Delete,
        Self::Command,
        Self::Send,
        Self::Receive,
        Self::Signal,
        Self::Disconnect,
        Self::Reconnect,
        Self::Connect,
        Self::Enumerate,
        Self::Pull,
        Self::Release,
        Self::Negotiate,
        Self::Authenticate,
    ];

    /// Its name in lower case, as the program's `--fault` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Create => "create",
            Self::Get => "get",
            Self::Delete => "delete",
            Self::Command => "command",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Signal => "signal",
            Self::Disconnect => "disconnect",
            Self::Reconnect => "reconnect",
            Self::Connect => "connect",
            Self::Enumerate => "enumerate",
            Self::Pull => "pull",
            Self::Release => "release",
            Self::Negotiate => "negotiate",
            Self::Authenticate => "authenticate",
        }
    }

    /// The action of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Its place in [`Action::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether it is a leg of the handshake.
    pub(crate) fn is_handshake(self) -> bool {
        matches!(self, Self::Negotiate | Self::Authenticate)
    }

    /// The action behind an `Action` header.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| !action.uri().is_empty() && action.uri() == uri)
    }

    /// The text of the `Action` header; the response's ends in `Response`.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Identify | Self::Negotiate | Self::Authenticate => "",
            Self::Create => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            Self::Get => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
            Self::Delete => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
            Self::Enumerate => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate",
            Self::Pull => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull",
            Self::Release => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Release",
            Self::Command => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
            Self::Send => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send",
            Self::Receive => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
            Self::Signal => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal",
            Self::Disconnect => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Disconnect",
            Self::Reconnect => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Reconnect",
            Self::Connect => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Connect",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_stands_at_its_place_and_has_a_name_and_an_address_of_its_own() {
        for (index, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action.index(), index);
            assert_eq!(Action::from_name(action.name()), Some(action));
            assert!(action.uri().is_empty() || Action::from_uri(action.uri()) == Some(action));
        }
        assert_eq!(Action::from_uri(""), None);
    }
}
