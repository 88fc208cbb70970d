//! `sleep` and `approval`: steps that wait, for their time or for a person, and do nothing else.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::{
    Error, ErrorKind, Result,
    job::step::{StepContext, StepHandler, StepOutcome, TemplateField, Waits},
    store::WaitsFor,
    template::Sink,
    transport::Protocol,
};

/// 30 days.
const DURATION_SEC_MAX: u32 = 30 * 24 * 60 * 60;

/// How long a person has for an answer when the step does not say: a day.
const ANSWER_SEC_DEFAULT: u32 = 24 * 60 * 60;

/// Waits for so many seconds. Meanwhile it holds no slot of a worker, and it goes on through restarts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sleep;

/// Waits until a person approves or refuses, for at most `timeoutSec`. Meanwhile it holds no slot of a worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Approval;

/// What such a kind answers to whoever would run it.
fn not_run() -> Result<StepOutcome> {
    Err(Error::new(ErrorKind::Internal, "a step that waits is not run: the engine waits for it"))
}

#[async_trait]
impl StepHandler for Sleep {
    fn kind(&self) -> &str {
        "sleep"
    }

    fn schema(&self) -> Value {
        json!({
            "description": "Waits for some time.",
            "required": ["durationSec"],
            "properties": {
                "durationSec": {
                    "type": "integer", "minimum": 1, "maximum": DURATION_SEC_MAX,
                    "description": "for how many seconds, at most 30 days"
                }
            }
        })
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    fn waits(&self, fields: &Map<String, Value>, _: Duration) -> Option<Waits> {
        // JSON Schema takes 60.0 for an integer too.
        let seconds = fields.get("durationSec").and_then(Value::as_f64).unwrap_or_default();
        let limit = Duration::from_secs(seconds as u64);
        Some(Waits { what: WaitsFor::Time, limit, message: format!("sleeps for {seconds} s") })
    }

    async fn run(&self, _: &mut StepContext<'_>) -> Result<StepOutcome> {
        not_run()
    }
}

#[async_trait]
impl StepHandler for Approval {
    fn kind(&self) -> &str {
        "approval"
    }

    fn schema(&self) -> Value {
        let names = json!({"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "string", "minLength": 1}});
        json!({
            "description": "Waits until a person approves.",
            "required": ["message"],
            "properties": {
                "message": {
                    "type": "string", "minLength": 1, "maxLength": 2_000,
                    "description": "what is asked, a template"
                },
                "approvers": {
                    "type": "object", "additionalProperties": false, "minProperties": 1,
                    "properties": {
                        "roles": {
                            "type": "array", "minItems": 1, "maxItems": 3,
                            "items": {"enum": ["viewer", "operator", "admin"]},
                            "description": "those with one of these roles"
                        },
                        "users": names
                    },
                    "description": "who may answer, of those who may run the job; by default all of them"
                }
            }
        })
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn timeout_sec_default(&self) -> Option<u32> {
        Some(ANSWER_SEC_DEFAULT)
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        vec![TemplateField::new("/message", Sink::Text)]
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        (pointer == "/message").then_some("the question is shown to those who may answer: leave it out")
    }

    fn waits(&self, fields: &Map<String, Value>, timeout: Duration) -> Option<Waits> {
        let message = fields.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Waits { what: WaitsFor::Approval, limit: timeout, message })
    }

    async fn run(&self, _: &mut StepContext<'_>) -> Result<StepOutcome> {
        not_run()
    }
}
