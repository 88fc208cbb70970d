//! Reading the metadata of a target, in which each transport has members of its own.

use serde_json::Value;

use super::Endpoint;
use crate::{Error, ErrorKind, Result};

/// A member that is true or false.
pub(super) fn flag(endpoint: &Endpoint, name: &str) -> Result<Option<bool>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be true or false"))),
    }
}

/// A member that is text.
pub(super) fn text<'a>(endpoint: &'a Endpoint, name: &str) -> Result<Option<&'a str>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be text"))),
    }
}

/// The host's name or address without brackets, if it could be one.
pub(super) fn host_name(endpoint: &Endpoint) -> Result<String> {
    let name = endpoint.host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
    let well_formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    if name.is_empty() || !well_formed {
        return Err(invalid(endpoint, "the host name is not one: write a name or an IP address"));
    }
    Ok(name)
}

/// A fault of a target, naming it.
pub(super) fn invalid(endpoint: &Endpoint, message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("target", &endpoint.target)
}
