//! Credential kinds, opened.

use std::fmt;

use super::secret::Secret;

/// An opened credential.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credential {
    /// For WinRM.
    Winrm {
        /// The account: `user`, `DOMAIN\user` or `user@realm`.
        username: String,
        /// The password.
        password: Secret<String>,
        /// The domain, when it is not part of the user name.
        domain: Option<String>,
        /// `ntlm` (default), `negotiate` or `basic`.
        transport: Option<String>,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Winrm { username, .. } => {
                f.debug_struct("Winrm").field("username", username).finish_non_exhaustive()
            }
        }
    }
}
