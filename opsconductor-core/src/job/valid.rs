//! A definition that holds: [`ValidJob`].

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{lists::Layout, place, secrets::Secrets, selector::Selector, serial::Size, shape::Shape};
use crate::{
    notify::Rule,
    run::{
        plan::{OnLost, Runs},
        retry::Retry,
    },
    template::Template,
    transport::Protocol,
};

/// A job definition in which no fault was found. Only [`JobSpec::validate`](super::JobSpec::validate) makes one, so whoever
/// holds it need not check it. Cloning it is cheap.
#[derive(Clone)]
pub struct ValidJob(pub(super) Arc<Checked>);

pub(super) struct Checked {
    pub(super) definition: Arc<Value>,
    pub(super) name: String,
    pub(super) version: i32,
    pub(super) priority: i16,
    pub(super) concurrency_key: Option<Template>,
    pub(super) allow_raw: bool,
    pub(super) parameters: Map<String, Value>,
    /// What a run's parameters must fit, secrets as they are shown.
    pub(super) schema: Option<Arc<Shape>>,
    pub(super) secrets: Secrets,
    pub(super) required: Vec<String>,
    pub(super) steps: Vec<ValidStep>,
    /// Where each list of steps begins.
    pub(super) layout: Layout,
    pub(super) timeout_sec: Option<u32>,
    pub(super) max_parallel: Option<u32>,
    pub(super) notify: Vec<Rule>,
}

impl ValidJob {
    /// The definition's own name; the job it is saved as may be called something else.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The author's number for this version of the definition.
    pub fn version(&self) -> i32 {
        self.0.version
    }

    /// The definition as it was accepted.
    pub fn definition(&self) -> &Value {
        &self.0.definition
    }

    /// The defaults of the parameters.
    pub fn parameters(&self) -> &Map<String, Value> {
        &self.0.parameters
    }

    /// The names that templates read and nothing declares: every run must bring them. Sorted.
    pub fn required_parameters(&self) -> &[String] {
        &self.0.required
    }

    /// The names of the parameters that are secret. Sorted.
    pub fn secret_parameters(&self) -> impl Iterator<Item = &str> {
        self.0.secrets.keys().map(String::as_str)
    }

    /// Which of several waiting runs goes first: the higher one.
    pub fn priority(&self) -> i16 {
        self.0.priority
    }

    /// Whether templates may use `| raw`.
    pub fn allow_raw(&self) -> bool {
        self.0.allow_raw
    }

    /// How many seconds a run may take.
    pub fn timeout_sec(&self) -> Option<u32> {
        self.0.timeout_sec
    }

    /// How many tasks of a run are under way at once, at most.
    pub fn max_parallel(&self) -> Option<u32> {
        self.0.max_parallel
    }

    /// Who is told of a run, beside those whom the tenant and whoever asks for it name.
    pub fn notify(&self) -> &[Rule] {
        &self.0.notify
    }

    /// In which part of a run the step at `index` has its turn.
    pub fn runs(&self, index: usize) -> Runs {
        self.0.layout.runs(index)
    }

    /// The steps, in the order of the definition: those of `steps`, then those of `onFailure`, then those of `finally`.
    pub fn steps(&self) -> &[ValidStep] {
        &self.0.steps
    }

    /// Every target that a step names, each time it does, with the pointer to the place.
    pub fn target_names(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.steps.iter().enumerate().flat_map(|(index, step)| {
            let names = match &step.targets {
                TargetChoice::Names(names) => names.as_slice(),
                _ => &[],
            };
            let layout = self.0.layout;
            names
                .iter()
                .enumerate()
                .map(move |(at, name)| (layout.place(step.name_pointer(index, at)), name.as_str()))
        })
    }

    /// Every selector, with the pointer to the place.
    pub fn selectors(&self) -> impl Iterator<Item = (String, &Selector)> {
        self.0.steps.iter().enumerate().filter_map(|(index, step)| match &step.targets {
            TargetChoice::Selected(selector) => {
                Some((self.0.layout.place(place::join(&place::step(index), "targets")), selector))
            }
            _ => None,
        })
    }
}

impl fmt::Debug for ValidJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Commands and parameters are not for logs.
        f.debug_struct("ValidJob")
            .field("name", &self.0.name)
            .field("version", &self.0.version)
            .field("steps", &self.0.steps.len())
            .finish_non_exhaustive()
    }
}

/// A step in which no fault was found.
pub struct ValidStep {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) protocol: Option<Protocol>,
    pub(super) targets: TargetChoice,
    /// Whether the one target was given as `target` and not in a list.
    pub(super) single: bool,
    pub(super) fields: Map<String, Value>,
    pub(super) timeout_sec: u32,
    pub(super) continue_on_error: bool,
    pub(super) on_lost: OnLost,
    pub(super) idempotent: bool,
    pub(super) max_output_bytes: u64,
    pub(super) wait_all: bool,
    pub(super) allow_empty: bool,
    /// Those it waits for, by index.
    pub(super) after: Vec<u32>,
    pub(super) when: Option<String>,
    pub(super) retry: Option<Retry>,
    pub(super) register: Option<String>,
    pub(super) serial: Vec<Size>,
    pub(super) max_fail_percentage: Option<u8>,
}

/// The targets that a step acts on, as its author put it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TargetChoice {
    /// None: the kind acts on no target.
    None,
    /// These, by name.
    Names(Vec<String>),
    /// Those that this selector chooses.
    Selected(Selector),
}

impl ValidStep {
    /// The step's id: its own, or `step1`, `step2` … by its place.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people call it, if the author said.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The step kind, such as `winrm.exec`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The protocol that its targets must speak.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// The targets it acts on.
    pub fn targets(&self) -> &TargetChoice {
        &self.targets
    }

    /// The members that belong to the kind, not rendered.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// How many seconds a task may take.
    pub fn timeout_sec(&self) -> u32 {
        self.timeout_sec
    }

    /// Whether a failure lets the steps after it go on.
    pub fn continue_on_error(&self) -> bool {
        self.continue_on_error
    }

    /// What to do with a task whose outcome is not known.
    pub fn on_lost(&self) -> OnLost {
        self.on_lost
    }

    /// Whether sending it twice does no harm.
    pub fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// How many bytes of output are stored for each target.
    pub fn max_output_bytes(&self) -> u64 {
        self.max_output_bytes
    }

    /// Whether it waits for the step before to end on all targets, whatever they are.
    pub fn waits_for_all(&self) -> bool {
        self.wait_all
    }

    /// Whether it is skipped, and not at fault, when its selector chooses no target.
    pub fn allows_empty(&self) -> bool {
        self.allow_empty
    }

    /// The steps it waits for, as indices into [`ValidJob::steps`].
    pub fn waits_for(&self) -> &[u32] {
        &self.after
    }

    /// The expression that must hold, or it is skipped.
    pub fn when(&self) -> Option<&str> {
        self.when.as_deref()
    }

    /// Whether it is tried again when it fails.
    pub fn retry(&self) -> Option<&Retry> {
        self.retry.as_ref()
    }

    /// How many of `targets` it takes at a time: the first batch, the second and so on, and the last number for all that
    /// follow; empty for all at once.
    pub fn batches(&self, targets: u32) -> Vec<u32> {
        self.serial.iter().map(|size| size.of(targets)).collect()
    }

    /// How many percent of its targets, or of a batch of them, may fail before it is given up.
    pub fn max_fail_percentage(&self) -> Option<u8> {
        self.max_fail_percentage
    }

    /// The second name by which templates read its output.
    pub fn register(&self) -> Option<&str> {
        self.register.as_deref()
    }

    pub(super) fn name_pointer(&self, index: usize, at: usize) -> String {
        if self.single {
            place::join(&place::step(index), "target")
        } else {
            place::join(&place::join(&place::step(index), "targets"), &at.to_string())
        }
    }
}

impl fmt::Debug for ValidStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidStep")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}
