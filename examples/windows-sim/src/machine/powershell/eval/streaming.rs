//! The cmdlets that work on values as they come: `ForEach-Object`, `Where-Object`, `Select-Object` and a few more.

use std::sync::Arc;

use super::super::ast::ScriptAst;
use super::super::error::{Flow, Result};
use super::super::types::{instance, properties};
use super::super::value::Value;
use super::output::Output;
use super::{Bound, Interpreter, Run};

/// What such a cmdlet keeps between values.
pub(super) struct Streaming {
    pub(super) kind: StreamingKind,
    pub(super) pipeline: u64,
    count: usize,
    begun: bool,
    enough: bool,
}

pub(super) enum StreamingKind {
    ForEach {
        begin: Option<Arc<ScriptAst>>,
        process: Vec<Arc<ScriptAst>>,
        end: Option<Arc<ScriptAst>>,
        member: Option<(String, Vec<Value>)>,
        input: Option<Value>,
    },
    Where {
        script: Option<Arc<ScriptAst>>,
        bound: Box<Bound>,
    },
    /// `Select-Object -First`, with what else it does to each value.
    First {
        limit: usize,
        skip: usize,
        bound: Box<Bound>,
    },
    Null,
    Host,
}

impl Streaming {
    pub(super) fn new(kind: StreamingKind, pipeline: u64) -> Self {
        Self { kind, pipeline, count: 0, begun: false, enough: false }
    }

    pub(super) fn had_enough(&self) -> bool {
        self.enough
    }
}

impl Interpreter {
    /// Gives a streaming cmdlet one value, or the end.
    pub(super) fn stream<'a>(
        &'a mut self,
        streaming: &'a mut Streaming,
        value: Option<Value>,
        piped: bool,
        out: &'a mut dyn Output,
    ) -> Run<'a, ()> {
        Box::pin(async move {
            let first = !std::mem::replace(&mut streaming.begun, true);
            match &streaming.kind {
                StreamingKind::Null => Ok(()),
                StreamingKind::Host => match value {
                    Some(value) => super::HostOutput.write(self, value).await,
                    None => Ok(()),
                },
                StreamingKind::ForEach { begin, process, end, member, input } => {
                    if first && let Some(begin) = begin {
                        self.item_into(begin, &Value::Null, out).await?;
                    }
                    let ended = value.is_none();
                    let values = match (value, input) {
                        (Some(value), _) => vec![value],
                        (None, Some(input)) if !piped => input.items(),
                        (None, _) => Vec::new(),
                    };
                    for value in values {
                        self.each(process, member.as_ref(), &value, out).await?;
                    }
                    if ended && let Some(end) = end {
                        self.item_into(end, &Value::Null, out).await?;
                    }
                    Ok(())
                }
                StreamingKind::Where { script, bound } => {
                    let values = match (value, bound.get("InputObject")) {
                        (Some(value), _) => vec![value],
                        (None, Some(input)) if !piped => input.items(),
                        _ => Vec::new(),
                    };
                    for value in values {
                        let keep = match script {
                            Some(script) => self.with_item(&script.clone(), &value).await?.truthy(),
                            None => self.where_property(bound, &value)?,
                        };
                        if keep {
                            out.write(self, value).await?;
                        }
                    }
                    Ok(())
                }
                StreamingKind::First { limit, skip, bound } => {
                    let Some(value) = value else { return Ok(()) };
                    streaming.count += 1;
                    if streaming.count <= *skip {
                        return Ok(());
                    }
                    let done = streaming.count - skip;
                    if done <= *limit {
                        for selected in super::super::cmdlets::select_one(self, bound, value).await? {
                            out.write(self, selected).await?;
                        }
                    }
                    if done >= *limit {
                        streaming.enough = true;
                        return Err(Flow::Enough(streaming.pipeline));
                    }
                    Ok(())
                }
            }
        })
    }

    async fn each(
        &mut self,
        process: &[Arc<ScriptAst>],
        member: Option<&(String, Vec<Value>)>,
        value: &Value,
        out: &mut dyn Output,
    ) -> Result<()> {
        if let Some((name, arguments)) = member {
            if let Some(found) = properties::get(self, value, name)? {
                return self.emit(found, out).await;
            }
            if let Some(found) = instance::invoke(self, value, name, arguments).await? {
                return self.emit(found, out).await;
            }
            return Ok(());
        }
        for script in process {
            self.item_into(script, value, out).await?;
        }
        Ok(())
    }

    /// `Where-Object Name -eq value`.
    fn where_property(&mut self, bound: &Bound, value: &Value) -> Result<bool> {
        use super::super::ast::{BinaryOp, Comparison};
        let name = bound.text("Property").unwrap_or_default();
        let found = properties::get(self, value, &name)?.unwrap_or(Value::Null);
        let comparisons = [
            ("EQ", Comparison::Eq),
            ("NE", Comparison::Ne),
            ("GT", Comparison::Gt),
            ("GE", Comparison::Ge),
            ("LT", Comparison::Lt),
            ("LE", Comparison::Le),
            ("Like", Comparison::Like),
            ("NotLike", Comparison::NotLike),
            ("Match", Comparison::Match),
            ("NotMatch", Comparison::NotMatch),
            ("Contains", Comparison::Contains),
            ("In", Comparison::In),
        ];
        for (switch, comparison) in comparisons {
            if bound.flag(switch) {
                let right = bound.get("Value").cloned().unwrap_or(Value::Null);
                return Ok(self.binary(BinaryOp::Compare(comparison, false), &found, &right)?.truthy());
            }
        }
        Ok(found.truthy())
    }
}
