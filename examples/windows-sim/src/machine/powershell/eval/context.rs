//! `$ExecutionContext`, `$Host` and `.PSObject`.

use super::super::error::Result;
use super::super::types::native::Native;
use super::super::types::objects;
use super::super::value::{Object, Value};
use super::{Interpreter, Run};

impl Interpreter {
    pub(in super::super) fn context_property(
        &self,
        context: &str,
        object: &Object,
        name: &str,
    ) -> Option<Value> {
        let below =
            |name: &'static str, type_name: &str| Value::object(type_name, Vec::new(), Native::Context(name));
        Some(match (context, name) {
            ("engine", "sessionstate") => below("session", "System.Management.Automation.SessionState"),
            ("engine", "invokecommand") => {
                below("invoke", "System.Management.Automation.CommandInvocationIntrinsics")
            }
            ("session", "path") => below("path", "System.Management.Automation.PathIntrinsics"),
            ("path", "currentlocation" | "currentfilesystemlocation") => self.path_info(),
            ("host", "name") => "ConsoleHost".into(),
            ("host", "version") => objects::version("5.1.20348.2700").ok()?,
            ("host", "ui") => {
                below("ui", "System.Management.Automation.Internal.Host.InternalHostUserInterface")
            }
            ("ui", "rawui") => {
                below("rawui", "System.Management.Automation.Internal.Host.InternalHostRawUserInterface")
            }
            ("psobject", "properties") => {
                let target = object.property("target")?;
                let fields = super::super::cmdlets::visible_properties(self, &target);
                Value::array(
                    fields
                        .into_iter()
                        .map(|(name, value)| {
                            Value::object(
                                "System.Management.Automation.PSNoteProperty",
                                vec![
                                    ("MemberType".into(), "NoteProperty".into()),
                                    ("Name".into(), Value::Str(name)),
                                    ("Value".into(), value),
                                ],
                                Native::None,
                            )
                        })
                        .collect(),
                )
            }
            ("psobject", "typenames") => {
                let target = object.property("target")?;
                Value::array(vec![Value::Str(target.type_name()), "System.Object".into()])
            }
            _ => return None,
        })
    }

    pub(in super::super) fn context_method(
        &mut self,
        context: &str,
        object: &Object,
        method: &str,
        arguments: &[Value],
    ) -> Result<Option<Value>> {
        let text = arguments.first().map(Value::to_text).unwrap_or_default();
        Ok(match (context, method) {
            ("path", "getunresolvedproviderpathfrompspath" | "getresolvedproviderpathfrompspath") => {
                Some(self.location_path(&text).into())
            }
            ("path", "combine") => {
                let child = arguments.get(1).map(Value::to_text).unwrap_or_default();
                Some(format!("{}\\{child}", text.trim_end_matches('\\')).into())
            }
            ("invoke", "newscriptblock") => Some(self.script_block(&text)?),
            ("psobject", "copy") => object.property("target").map(|target| match &target {
                Value::Object(inner) => Value::custom(inner.properties()),
                other => other.clone(),
            }),
            _ => None,
        })
    }

    /// What a script block gives for each of some items; used by cmdlets that take calculated properties.
    pub(in super::super) fn calculated<'a>(
        &'a mut self,
        script: &'a Value,
        item: &'a Value,
    ) -> Run<'a, Value> {
        Box::pin(async move {
            match script {
                Value::Script(script) => self.with_item(&script.clone(), item).await,
                other => Ok(super::super::types::properties::get(self, item, &other.to_text())?
                    .unwrap_or(Value::Null)),
            }
        })
    }
}
