//! Members of values: properties read and methods called.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Exception, Flow, Result};
use super::super::types::{instance, properties, statics};
use super::super::value::Value;
use super::Interpreter;

impl Interpreter {
    pub(super) fn member(&mut self, target: &Value, name: &str, is_static: bool) -> Result<Value> {
        if is_static {
            let Value::Type(full) = target else {
                return ErrorRecord::runtime(
                    "The static member cannot be found.",
                    "MissingMember",
                    "InvalidOperation",
                )
                .throw();
            };
            return match statics::get(self, full, name) {
                Some(value) => Ok(value),
                None if self.strictness < 2 => Ok(Value::Null),
                None => missing_property(name),
            };
        }
        match properties::get(self, target, name)? {
            Some(value) => Ok(value),
            None if self.strictness < 2 => Ok(Value::Null),
            None => missing_property(name),
        }
    }

    pub(super) async fn invoke(
        &mut self,
        target: &Value,
        name: &str,
        arguments: &[Value],
        is_static: bool,
    ) -> Result<Value> {
        if target.is_null() {
            return ErrorRecord::runtime(
                "You cannot call a method on a null-valued expression.",
                "InvokeMethodOnNull",
                "InvalidOperation",
            )
            .throw();
        }
        let outcome = match target {
            Value::Type(full) if is_static => {
                let full = full.clone();
                if &*full == "System.Console" {
                    instance::console_static(self, name, arguments).await
                } else if &*full == "System.Threading.Thread" && name.eq_ignore_ascii_case("sleep") {
                    let millis =
                        arguments.first().and_then(Value::as_long).and_then(|n| u64::try_from(n).ok());
                    tokio::time::sleep(std::time::Duration::from_millis(millis.unwrap_or(0))).await;
                    Ok(Some(Value::Null))
                } else {
                    statics::invoke(self, &full, name, arguments)
                }
            }
            other => instance::invoke(self, other, name, arguments).await,
        };
        match outcome {
            Ok(Some(value)) => Ok(value),
            Ok(None) => self.missing_method(target, name, arguments),
            Err(Flow::Throw(record)) => wrap_method_error(name, arguments.len(), *record),
            Err(flow) => Err(flow),
        }
    }

    fn missing_method(&self, target: &Value, name: &str, arguments: &[Value]) -> Result<Value> {
        let shown = match target {
            Value::Type(full) => full.to_string(),
            other => other.type_name().to_string(),
        };
        // A script method or a property that holds a script block.
        if is_known_method(&shown, name) {
            return ErrorRecord::new(
                "System.Management.Automation.MethodException",
                format!(
                    "Cannot find an overload for \"{name}\" and the argument count: \"{}\".",
                    arguments.len()
                ),
                "MethodCountCouldNotFindBest",
                "NotSpecified",
            )
            .throw();
        }
        ErrorRecord::runtime(
            format!("Method invocation failed because [{shown}] does not contain a method named '{name}'."),
            "MethodNotFound",
            "InvalidOperation",
        )
        .target(name, "String")
        .throw()
    }
}

pub(super) fn missing_property(name: &str) -> Result<Value> {
    ErrorRecord::new(
        "System.Management.Automation.PropertyNotFoundException",
        format!("The property '{name}' cannot be found on this object. Verify that the property exists."),
        "PropertyNotFoundStrict",
        "NotSpecified",
    )
    .throw()
}

/// An exception out of .NET comes as `Exception calling "x" with "n" argument(s): "…"`; errors of the language do not.
fn wrap_method_error(name: &str, count: usize, record: ErrorRecord) -> Result<Value> {
    let inner = &record.exception;
    if record.ends_script
        || record.position.is_some()
        || inner.type_name.starts_with("System.Management.Automation.")
        || record.is_parse_error
    {
        // A script that does not parse is wrapped all the same.
        if !record.is_parse_error {
            return record.throw();
        }
    }
    let name = if name.eq_ignore_ascii_case("new") { ".ctor" } else { name };
    let id = if record.is_parse_error {
        "ParseException"
    } else {
        inner.type_name.rsplit('.').next().unwrap_or_default()
    };
    let mut wrapped = ErrorRecord::new(
        "System.Management.Automation.MethodInvocationException",
        format!("Exception calling \"{name}\" with \"{count}\" argument(s): \"{}\"", inner.message),
        id,
        "NotSpecified",
    );
    wrapped.exception = Arc::new(Exception {
        type_name: wrapped.exception.type_name.clone(),
        message: wrapped.exception.message.clone(),
        inner: Some(inner.clone()),
    });
    wrapped.throw()
}

fn is_known_method(type_name: &str, method: &str) -> bool {
    let lower = method.to_ascii_lowercase();
    let known: &[&str] = match type_name {
        "System.String" => &[
            "substring",
            "replace",
            "padleft",
            "padright",
            "insert",
            "remove",
            "indexof",
            "contains",
            "startswith",
            "endswith",
        ],
        "System.IO.File" => &[
            "readalltext",
            "writealltext",
            "exists",
            "move",
            "copy",
            "delete",
            "replace",
            "open",
            "openread",
        ],
        "System.IO.FileStream" => &["write", "read", "seek", "setlength"],
        "System.Convert" => &["frombase64string", "tobase64string"],
        _ => &[],
    };
    known.contains(&lower.as_str()) || (lower == "new" && !type_name.is_empty())
}
