//! Scopes and variables.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::ast::{ScriptAst, VariableName, VariableScope};
use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::types::{convert, objects};
use super::super::value::{Hash, Value};
use super::Interpreter;
use super::output::ErrorAction;

/// The variables and functions of one call.
#[derive(Debug, Default)]
pub(in super::super) struct Scope {
    pub(in super::super) variables: HashMap<Arc<str>, Value>,
    pub(in super::super) types: HashMap<Arc<str>, Arc<str>>,
    pub(in super::super) functions: HashMap<String, Arc<ScriptAst>>,
    pub(in super::super) is_script: bool,
    /// What was called, for the messages of `Write-Error`.
    pub(in super::super) command: String,
    pub(in super::super) is_function: bool,
}

impl Interpreter {
    pub(super) fn define_automatic_variables(&mut self) {
        let version = objects::version("5.1.20348.2700").unwrap_or(Value::Null);
        let table = Hash::new(false);
        table.set("PSVersion".into(), version);
        table.set("PSEdition".into(), "Desktop".into());
        table.set(
            "PSCompatibleVersions".into(),
            Value::array(
                ["1.0", "2.0", "3.0", "4.0", "5.0", "5.1.20348.2700"]
                    .iter()
                    .filter_map(|v| objects::version(v).ok())
                    .collect(),
            ),
        );
        table.set("BuildVersion".into(), objects::version("10.0.20348.2700").unwrap_or(Value::Null));
        table.set("CLRVersion".into(), objects::version("4.0.30319.42000").unwrap_or(Value::Null));
        table.set("WSManStackVersion".into(), objects::version("3.0").unwrap_or(Value::Null));
        table.set("PSRemotingProtocolVersion".into(), objects::version("2.3").unwrap_or(Value::Null));
        table.set("SerializationVersion".into(), objects::version("1.1.0.1").unwrap_or(Value::Null));
        let home = self.around.environment.get("USERPROFILE").unwrap_or("C:\\").to_owned();
        let context = |name| {
            Value::object("System.Management.Automation.EngineIntrinsics", Vec::new(), Native::Context(name))
        };
        let ascii = objects::encoding(super::super::types::encoding::Encoding::Ascii);
        let variables: Vec<(&str, Value)> = vec![
            ("psversiontable", Value::Hash(Arc::new(table))),
            ("home", home.into()),
            ("pid", Value::Int(self.process_id as i32)),
            ("pshome", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0".into()),
            ("shellid", "Microsoft.PowerShell".into()),
            ("executioncontext", context("engine")),
            ("host", context("host")),
            ("error", self.errors.clone()),
            ("erroractionpreference", "Continue".into()),
            ("warningpreference", "Continue".into()),
            ("verbosepreference", "SilentlyContinue".into()),
            ("debugpreference", "SilentlyContinue".into()),
            ("informationpreference", "SilentlyContinue".into()),
            ("progresspreference", "Continue".into()),
            ("confirmpreference", "High".into()),
            ("whatifpreference", Value::Bool(false)),
            ("outputencoding", ascii),
            ("ofs", " ".into()),
            ("psculture", "en-US".into()),
            ("psuiculture", "en-US".into()),
            ("args", Value::array(Vec::new())),
            ("matches", Value::Null),
        ];
        for (name, value) in variables {
            self.scopes[0].variables.insert(name.into(), value);
        }
        self.scopes[0].variables.remove("ofs");
    }

    /// The value of a variable; none when it was never set.
    pub(in super::super) fn variable(&self, name: &VariableName) -> Option<Value> {
        match name.scope {
            VariableScope::Environment => return self.around.environment.get(&name.name).map(Value::from),
            VariableScope::Function => return self.function(&name.key).map(Value::Script),
            VariableScope::Global => return self.scopes[0].variables.get(&name.key).cloned(),
            VariableScope::Script => {
                return self.scopes[self.script_scope()].variables.get(&name.key).cloned();
            }
            VariableScope::Local => return self.scopes.last()?.variables.get(&name.key).cloned(),
            VariableScope::Any => {}
        }
        match &*name.key {
            "true" => return Some(Value::Bool(true)),
            "false" => return Some(Value::Bool(false)),
            "null" => return Some(Value::Null),
            "?" => return Some(Value::Bool(self.succeeded)),
            "pwd" => return Some(self.path_info()),
            _ => {}
        }
        self.scopes.iter().rev().find_map(|scope| scope.variables.get(&name.key).cloned())
    }

    pub(in super::super) fn path_info(&self) -> Value {
        let path: Value = self.around.directory.as_str().into();
        Value::object(
            "System.Management.Automation.PathInfo",
            vec![
                ("Path".into(), path.clone()),
                ("ProviderPath".into(), path.clone()),
                ("__text".into(), path),
            ],
            Native::None,
        )
    }

    /// A variable by its plain name, as cmdlets and preferences look one up.
    pub(in super::super) fn named_variable(&self, key: &str) -> Option<Value> {
        self.scopes.iter().rev().find_map(|scope| scope.variables.get(key).cloned())
    }

    pub(in super::super) fn set_variable(&mut self, name: &VariableName, value: Value) -> Result<()> {
        let index = match name.scope {
            VariableScope::Environment => {
                if value.is_null() || value.to_text().is_empty() {
                    self.around.environment.remove(&name.name);
                } else {
                    self.around.environment.set(&name.name, &value.to_text());
                }
                return Ok(());
            }
            VariableScope::Function => return Ok(()),
            VariableScope::Global => 0,
            VariableScope::Script => self.script_scope(),
            VariableScope::Local | VariableScope::Any => self.scopes.len() - 1,
        };
        if matches!(
            &*name.key,
            "true"
                | "false"
                | "null"
                | "?"
                | "error"
                | "pid"
                | "home"
                | "executioncontext"
                | "host"
                | "psversiontable"
        ) {
            if &*name.key == "null" {
                return Ok(());
            }
            return ErrorRecord::new(
                "System.Management.Automation.SessionStateUnauthorizedAccessException",
                format!("Cannot overwrite variable {} because it is read-only or constant.", name.name),
                "VariableNotWritable",
                "WriteError",
            )
            .target(&*name.name, "String")
            .throw();
        }
        let scope = &mut self.scopes[index];
        let value = match scope.types.get(&name.key) {
            Some(type_name) => convert::cast(&value, type_name)?,
            None => value,
        };
        scope.variables.insert(name.key.clone(), value);
        Ok(())
    }

    /// `[int]$x = …` keeps the variable to the type.
    pub(super) fn constrain(&mut self, name: &VariableName, type_name: &Arc<str>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.types.insert(name.key.clone(), type_name.clone());
        }
    }

    pub(in super::super) fn set_local(&mut self, key: &str, value: Value) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.variables.insert(key.into(), value);
        }
    }

    pub(in super::super) fn set_global(&mut self, key: &str, value: Value) {
        self.scopes[0].variables.insert(key.into(), value);
    }

    pub(in super::super) fn remove_variable(&mut self, key: &str) -> bool {
        self.scopes.iter_mut().rev().any(|scope| scope.variables.remove(key).is_some())
    }

    pub(super) fn script_scope(&self) -> usize {
        self.scopes.iter().rposition(|scope| scope.is_script).unwrap_or(0)
    }

    pub(in super::super) fn function(&self, name: &str) -> Option<Arc<ScriptAst>> {
        let key = name.to_lowercase();
        self.scopes.iter().rev().find_map(|scope| scope.functions.get(&key).cloned())
    }

    pub(super) fn define_function(&mut self, name: &str, body: &Arc<ScriptAst>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.functions.insert(name.to_lowercase(), body.clone());
        }
    }

    /// What stands before the message of `Write-Error`: the function, or the text of the script.
    pub(in super::super) fn caller(&self) -> (String, bool) {
        match self.scopes.iter().rev().find(|s| !s.command.is_empty()) {
            Some(scope) => (scope.command.clone(), scope.is_function),
            None => (String::new(), false),
        }
    }

    pub(in super::super) fn error_preference(&self) -> ErrorAction {
        let value = self.named_variable("erroractionpreference");
        value.and_then(|v| ErrorAction::parse(&v.to_text())).unwrap_or(ErrorAction::Continue)
    }
}
