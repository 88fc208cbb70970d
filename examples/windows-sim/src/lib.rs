//! A simulated Windows host.
//!
//! It is the independent counterpart the WinRM client is proved against and shares no code with it.
#![forbid(unsafe_code)]

pub mod machine;
