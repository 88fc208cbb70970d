//! The WinRM connector against the simulated Windows host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod copy;
mod copy_faults;
mod copy_large;
mod copy_many;
mod exec;
mod faults;
mod fetch;
mod lockout;
mod logon;
mod matrix;
mod output;
mod powershell;
mod probe;
mod reattach;
mod stop;
mod support;
mod tls;
mod warm;
