//! The parts of a command line of `cmd.exe`, as the parser gives them.

/// One parsed command line. Variables are already replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Command(String, Vec<Redirect>),
    Group(Box<Node>, Vec<Redirect>),
    Then(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Pipe(Box<Node>, Box<Node>),
    If(Condition, Box<Node>, Option<Box<Node>>),
    /// The loop variable, its values and the text of the body.
    For(char, ForValues, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Not(Box<Condition>),
    Exist(String),
    ErrorLevel(i32),
    Defined(String),
    Equal(String, String, bool),
}

/// What a `for` runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ForValues {
    Words(Vec<String>),
    Range(i64, i64, i64),
}

impl ForValues {
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = String> + Send + '_> {
        match self {
            Self::Words(words) => Box::new(words.iter().cloned()),
            Self::Range(start, step, end) => {
                let (step, end) = (*step, *end);
                let fits = move |i: &i64| if step >= 0 { *i <= end } else { *i >= end };
                Box::new(
                    std::iter::successors(Some(*start), move |i| i.checked_add(step))
                        .take_while(fits)
                        .map(|i| i.to_string()),
                )
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) handle: u8,
    pub(super) append: bool,
    pub(super) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    File(String),
    Input(String),
    Handle(u8),
}
