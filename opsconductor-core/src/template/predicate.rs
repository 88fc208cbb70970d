//! The tests a template may use after `is`.

/// A test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predicate {
    Defined,
    Undefined,
    None,
    Boolean,
    True,
    False,
    Number,
    Integer,
    Float,
    String,
    Sequence,
    Mapping,
    Iterable,
    Odd,
    Even,
    DivisibleBy,
    StartingWith,
    EndingWith,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
}

impl Predicate {
    /// The test of that name, if templates may use it.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "defined" => Self::Defined,
            "undefined" => Self::Undefined,
            "none" => Self::None,
            "boolean" => Self::Boolean,
            "true" => Self::True,
            "false" => Self::False,
            "number" => Self::Number,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "string" => Self::String,
            "sequence" => Self::Sequence,
            "mapping" => Self::Mapping,
            "iterable" => Self::Iterable,
            "odd" => Self::Odd,
            "even" => Self::Even,
            "divisibleby" => Self::DivisibleBy,
            "startingwith" => Self::StartingWith,
            "endingwith" => Self::EndingWith,
            "eq" | "equalto" | "==" => Self::Eq,
            "ne" | "!=" => Self::Ne,
            "lt" | "lessthan" | "<" => Self::Lt,
            "le" | "<=" => Self::Le,
            "gt" | "greaterthan" | ">" => Self::Gt,
            "ge" | ">=" => Self::Ge,
            "in" => Self::In,
            _ => return None,
        })
    }

    /// How many arguments it takes.
    pub(super) fn arity(self) -> usize {
        match self {
            Self::DivisibleBy
            | Self::StartingWith
            | Self::EndingWith
            | Self::Eq
            | Self::Ne
            | Self::Lt
            | Self::Le
            | Self::Gt
            | Self::Ge
            | Self::In => 1,
            _ => 0,
        }
    }
}
