//! A model of Windows PowerShell 5.1: the language, the cmdlets and .NET types that administration scripts use, and the
//! console host. What it does not know it answers with the error PowerShell has for an unknown name.

mod ast;
mod clixml;
mod cmdlets;
mod error;
mod eval;
mod format;
mod host;
mod parse;
mod startup;
mod types;
mod value;

pub(crate) use startup::run_program;
