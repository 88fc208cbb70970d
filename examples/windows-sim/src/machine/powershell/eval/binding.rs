//! Parameter binding.

use std::sync::Arc;

use super::super::ast::{Argument, ScriptAst};
use super::super::cmdlets::{Cmdlet, Parameter};
use super::super::error::{ErrorRecord, Flow, Result};
use super::super::types::convert;
use super::super::value::Value;
use super::Interpreter;
use super::output::ErrorAction;

/// One word of a command line, evaluated.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Name(Arc<str>, Option<Value>),
    Value(Value),
}

/// The parameters a cmdlet was given.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Bound {
    values: Vec<(&'static str, Value)>,
    pub(in super::super) error_action: Option<ErrorAction>,
    pub(in super::super) error_variable: Option<String>,
    pub(in super::super) out_variable: Option<String>,
    pub(in super::super) verbose: bool,
    pub(in super::super) silent_warnings: bool,
}

impl Bound {
    pub(in super::super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(in super::super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(Value::truthy)
    }

    pub(in super::super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(Value::to_text)
    }

    /// All texts of a parameter that takes several.
    pub(in super::super) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).map(|v| v.items().iter().map(Value::to_text).collect()).unwrap_or_default()
    }

    pub(in super::super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_long)
    }

    pub(in super::super) fn set(&mut self, name: &'static str, value: Value) {
        match self.values.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.values.push((name, value)),
        }
    }
}

const COMMON: &[&str] = &[
    "ErrorAction",
    "ErrorVariable",
    "Verbose",
    "Debug",
    "WarningAction",
    "WarningVariable",
    "OutVariable",
    "OutBuffer",
    "InformationAction",
    "InformationVariable",
    "PipelineVariable",
];

fn common(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "ea" => Some("ErrorAction"),
        "ev" => Some("ErrorVariable"),
        "vb" => Some("Verbose"),
        "db" => Some("Debug"),
        "wa" => Some("WarningAction"),
        "ov" => Some("OutVariable"),
        lower => {
            if let Some(exact) = COMMON.iter().find(|c| c.eq_ignore_ascii_case(lower)) {
                return Some(exact);
            }
            let mut fits = COMMON.iter().filter(|c| c.to_ascii_lowercase().starts_with(lower));
            match (fits.next(), fits.next()) {
                (Some(one), None) => Some(one),
                _ => None,
            }
        }
    }
}

/// The parameters of a function that says it can be asked what it would do.
fn confirmation(script: &ScriptAst, name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "whatif" | "wi" if script.should_process => Some("WhatIf"),
        "confirm" | "cf" if script.should_process => Some("Confirm"),
        _ => None,
    }
}

fn find<'p>(parameters: &'p [Parameter], name: &str) -> Option<&'p Parameter> {
    let lower = name.to_ascii_lowercase();
    let exact = parameters.iter().find(|p| {
        p.name.eq_ignore_ascii_case(name) || p.aliases.iter().any(|a| a.eq_ignore_ascii_case(name))
    });
    exact.or_else(|| {
        let mut fits = parameters.iter().filter(|p| p.name.to_ascii_lowercase().starts_with(&lower));
        match (fits.next(), fits.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    })
}

fn binding_error(message: String, id: &str, category: &'static str) -> ErrorRecord {
    ErrorRecord::new("System.Management.Automation.ParameterBindingException", message, id, category)
}

fn unknown_parameter(name: &str) -> ErrorRecord {
    binding_error(
        format!("A parameter cannot be found that matches parameter name '{name}'."),
        "NamedParameterNotFound",
        "InvalidArgument",
    )
}

/// Binds a cmdlet's arguments.
pub(in super::super) fn bind_cmdlet(cmdlet: &Cmdlet, arguments: Vec<Arg>) -> Result<Bound> {
    let parameters = cmdlet.parameters();
    let mut bound = Bound::default();
    let mut positional = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument {
            Arg::Value(value) => {
                positional.push(value);
                continue;
            }
            Arg::Name(name, inline) => (name, inline),
        };
        let own = find(parameters, &name);
        let shared = if own.is_none() { common(&name) } else { None };
        let is_switch = match (own, shared) {
            (Some(parameter), _) => parameter.switch,
            (None, Some(shared)) => matches!(shared, "Verbose" | "Debug"),
            (None, None) => return unknown_parameter(&name).throw(),
        };
        let value = match (inline, is_switch) {
            (Some(value), _) => value,
            (None, true) => Value::Bool(true),
            (None, false) => match arguments.next_if(|a| matches!(a, Arg::Value(_))) {
                Some(Arg::Value(value)) => value,
                _ => {
                    return binding_error(format!("Missing an argument for parameter '{}'. Specify a parameter of type 'System.Object' and try again.", own.map_or(&*name, |p| p.name)), "MissingArgument", "InvalidArgument").throw();
                }
            },
        };
        match (own, shared) {
            (Some(parameter), _) => bound.set(parameter.name, value),
            (None, Some(shared)) => set_common(&mut bound, shared, &value)?,
            (None, None) => {}
        }
    }
    let mut places: Vec<&Parameter> =
        parameters.iter().filter(|p| p.position.is_some() && !bound.has(p.name)).collect();
    places.sort_by_key(|p| p.position);
    let mut places = places.into_iter();
    for value in positional {
        match places.next() {
            Some(parameter) => bound.set(parameter.name, value),
            None if cmdlet.takes_rest() => {
                let rest = bound.get("Rest").cloned().unwrap_or_else(|| Value::array(Vec::new()));
                let mut items = rest.items();
                items.push(value);
                bound.set("Rest", Value::array(items));
            }
            None => {
                let text = value.to_text();
                return binding_error(
                    format!("A positional parameter cannot be found that accepts argument '{text}'."),
                    "PositionalParameterNotFound",
                    "InvalidArgument",
                )
                .throw();
            }
        }
    }
    Ok(bound)
}

fn set_common(bound: &mut Bound, name: &str, value: &Value) -> Result<()> {
    match name {
        "ErrorAction" => {
            bound.error_action = ErrorAction::parse(&value.to_text());
            if bound.error_action.is_none() {
                return binding_error(format!("Cannot bind parameter 'ErrorAction'. Cannot convert value \"{0}\" to type \"System.Management.Automation.ActionPreference\". Error: \"Unable to match the identifier name {0} to a valid enumerator name. Specify one of the following enumerator names and try again:\r\nSilentlyContinue, Stop, Continue, Inquire, Ignore, Suspend\"", value.to_text()), "CannotConvertArgumentNoMessage", "InvalidArgument").throw();
            }
        }
        "ErrorVariable" => bound.error_variable = Some(value.to_text()),
        "OutVariable" => bound.out_variable = Some(value.to_text()),
        "Verbose" => bound.verbose = value.truthy(),
        "WarningAction" => {
            bound.silent_warnings =
                matches!(value.to_text().to_lowercase().as_str(), "silentlycontinue" | "ignore")
        }
        _ => {}
    }
    Ok(())
}

impl Interpreter {
    /// Evaluates the words of a command line.
    pub(super) async fn arguments(&mut self, arguments: &[Argument]) -> Result<Vec<Arg>> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument {
                Argument::Value(expr) => values.push(Arg::Value(self.eval(expr).await?)),
                Argument::Parameter(name, None) => values.push(Arg::Name(name.clone(), None)),
                Argument::Parameter(name, Some(expr)) => {
                    let value = self.eval(expr).await?;
                    values.push(Arg::Name(name.clone(), Some(value)));
                }
                Argument::Splat(variable) => match self.variable(variable) {
                    Some(Value::Hash(hash)) => {
                        for (key, value) in hash.entries() {
                            values.push(Arg::Name(key.to_text().into(), Some(value)));
                        }
                    }
                    Some(other) if !other.is_null() => {
                        values.extend(other.items().into_iter().map(Arg::Value))
                    }
                    _ => {}
                },
            }
        }
        Ok(values)
    }

    pub(super) async fn bind_positional(&mut self, script: &ScriptAst, arguments: &[Value]) -> Result<()> {
        let arguments = arguments.iter().cloned().map(Arg::Value).collect();
        self.bind_script(script, arguments, "").await
    }

    /// Binds a function's arguments to variables of the scope on top.
    pub(super) async fn bind_script(
        &mut self,
        script: &ScriptAst,
        arguments: Vec<Arg>,
        name: &str,
    ) -> Result<()> {
        let parameters = &script.parameters;
        let mut given: Vec<Option<Value>> = vec![None; parameters.len()];
        let mut rest = Vec::new();
        let mut arguments = arguments.into_iter().peekable();
        let find = |wanted: &str| {
            let exact = parameters.iter().position(|p| {
                p.name.eq_ignore_ascii_case(wanted)
                    || p.aliases.iter().any(|a| a.eq_ignore_ascii_case(wanted))
            });
            exact.or_else(|| {
                let lower = wanted.to_lowercase();
                let mut fits =
                    (0..parameters.len()).filter(|i| parameters[*i].name.to_lowercase().starts_with(&lower));
                match (fits.next(), fits.next()) {
                    (Some(one), None) => Some(one),
                    _ => None,
                }
            })
        };
        let is_switch = |i: usize| {
            parameters[i].type_name.as_deref().is_some_and(|t| {
                t.eq_ignore_ascii_case("switch") || t.to_lowercase().ends_with("switchparameter")
            })
        };
        while let Some(argument) = arguments.next() {
            match argument {
                Arg::Value(value) => rest.push(value),
                Arg::Name(wanted, inline) => match find(&wanted) {
                    Some(at) => {
                        let value = match (inline, is_switch(at)) {
                            (Some(value), _) => value,
                            (None, true) => Value::Bool(true),
                            (None, false) => match arguments.next_if(|a| matches!(a, Arg::Value(_))) {
                                Some(Arg::Value(value)) => value,
                                _ => {
                                    return binding_error(format!("Missing an argument for parameter '{}'. Specify a parameter of type 'System.Object' and try again.", parameters[at].name), "MissingArgument", "InvalidArgument").throw();
                                }
                            },
                        };
                        given[at] = Some(value);
                    }
                    None if script.advanced => {
                        match common(&wanted).or_else(|| confirmation(script, &wanted)) {
                            Some(shared) => {
                                let switch = matches!(shared, "Verbose" | "Debug" | "WhatIf" | "Confirm");
                                let value = match inline {
                                    Some(value) => value,
                                    None if switch => Value::Bool(true),
                                    None => match arguments.next_if(|a| matches!(a, Arg::Value(_))) {
                                        Some(Arg::Value(value)) => value,
                                        _ => Value::Null,
                                    },
                                };
                                match shared {
                                    "ErrorAction" => self.set_local("erroractionpreference", value),
                                    "Verbose" => self.set_local("verbosepreference", "Continue".into()),
                                    // What the function calls sees these and does as it was told.
                                    "WhatIf" => {
                                        self.set_local("whatifpreference", Value::Bool(value.truthy()))
                                    }
                                    "Confirm" => {
                                        let level = if value.truthy() { "Low" } else { "None" };
                                        self.set_local("confirmpreference", level.into());
                                    }
                                    _ => {}
                                }
                            }
                            None => return unknown_parameter(&wanted).throw(),
                        }
                    }
                    None => {
                        rest.push(format!("-{wanted}").into());
                        rest.extend(inline);
                    }
                },
            }
        }
        let mut rest = rest.into_iter();
        for (i, slot) in given.iter_mut().enumerate() {
            if slot.is_none() && !is_switch(i) {
                *slot = rest.next();
            }
        }
        let rest: Vec<Value> = rest.collect();
        if script.advanced && !rest.is_empty() {
            return binding_error(
                format!(
                    "A positional parameter cannot be found that accepts argument '{}'.",
                    rest[0].to_text()
                ),
                "PositionalParameterNotFound",
                "InvalidArgument",
            )
            .throw();
        }
        for (parameter, slot) in parameters.iter().zip(given) {
            let value = match (slot, &parameter.default) {
                (Some(value), _) => value,
                (None, _) if parameter.mandatory && !parameter.from_pipeline => {
                    return binding_error(
                        format!(
                            "Cannot process command because of one or more missing mandatory parameters: {}.",
                            parameter.name
                        ),
                        "MissingMandatoryParameter",
                        "InvalidArgument",
                    )
                    .throw();
                }
                (None, Some(default)) => self.eval(default).await?,
                (None, None) => match parameter.type_name.as_deref().map(str::to_lowercase).as_deref() {
                    Some("switch" | "bool") => Value::Bool(false),
                    Some("int" | "int32") => Value::Int(0),
                    Some("string") => "".into(),
                    _ => Value::Null,
                },
            };
            let key: Arc<str> = parameter.name.to_lowercase().into();
            let value = match &parameter.type_name {
                Some(type_name) if !value.is_null() => {
                    convert::cast(&value, type_name).map_err(|f| transformation(f, &parameter.name, name))?
                }
                _ => value,
            };
            self.set_local(&key, value);
        }
        self.set_local("args", Value::array(rest));
        Ok(())
    }
}

fn transformation(flow: Flow, parameter: &str, name: &str) -> Flow {
    match flow {
        Flow::Throw(record) => {
            let message = format!(
                "Cannot process argument transformation on parameter '{parameter}'. {}",
                record.exception.message
            );
            let mut record = ErrorRecord::new(
                "System.Management.Automation.ParameterBindingArgumentTransformationException",
                message,
                &format!("ParameterArgumentTransformationError,{name}"),
                "InvalidData",
            );
            record.activity = name.to_owned();
            record.prefix = name.to_owned();
            Flow::Throw(Box::new(record))
        }
        other => other,
    }
}
