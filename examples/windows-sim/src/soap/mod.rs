//! WS-Management messages: what is read, what is written.

pub(crate) mod action;
pub(crate) mod duration;
pub(crate) mod fault;
pub(crate) mod names;
pub(crate) mod request;
pub(crate) mod response;

mod body;
mod long;

#[cfg(test)]
mod tests;
