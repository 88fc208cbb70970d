//! Who is told of which end.

use serde::{Deserialize, Serialize};

use super::{Channel, check_address, check_url, words};
use crate::{
    Error, ErrorKind, Result,
    run::state::RunStatus,
    template::{Sink, Template, TemplateOptions},
};

/// How many rules a tenant or a job has, at most.
pub const RULES_MAX: usize = 100;

words! {
    /// Which ends of a run are told of.
    NotifyOn, "what a rule is about" {
        /// It failed.
        Failure = "failure",
        /// It succeeded.
        Success = "success",
        /// It ended, be it because it was canceled.
        Always = "always",
        /// It is not known how one of its tasks ended.
        Lost = "lost",
    }
}

impl NotifyOn {
    /// Whether it is about a run that ended so, with a lost task or without.
    pub fn is_about(self, status: RunStatus, lost: bool) -> bool {
        match self {
            Self::Failure => status == RunStatus::Failed,
            Self::Success => status == RunStatus::Succeeded,
            Self::Always => true,
            Self::Lost => lost,
        }
    }
}

/// A rule: who is told of which ends, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which ends.
    pub on: NotifyOn,
    /// How.
    pub channel: Channel,
    /// To whom: an address, or a URL.
    pub dest: String,
    /// What makes the body of a webhook of the payload, as a template for JSON; none sends the payload as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Rule {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the member.
    pub fn check(&self) -> Result<()> {
        match self.channel {
            Channel::Email => check_address("dest", &self.dest)?,
            Channel::Webhook => check_url("dest", &self.dest)?,
        }
        let Some(template) = &self.template else { return Ok(()) };
        if self.channel == Channel::Email {
            let message = "a template makes the body of a webhook; a mail has its own form";
            return Err(Error::new(ErrorKind::InvalidInput, message).with("field", "template"));
        }
        Template::compile(template, Sink::Json, TemplateOptions::default()).map(drop).map_err(|error| {
            let message = format!("the template of a webhook does not hold: {error}");
            Error::new(ErrorKind::InvalidInput, message).with("field", "template")
        })
    }
}

/// What is told of a run when it ends, frozen with its plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNotices {
    /// The name of who asked for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PlannedNotice>,
    /// How many of these, the first ones, the job itself says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub own: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One who is told.
pub type PlannedNotice = Rule;

impl PlanNotices {
    /// Whether nobody is told.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that the job itself says.
    pub fn of_job(&self) -> &[PlannedNotice] {
        &self.rules[..self.own.min(self.rules.len())]
    }
}
