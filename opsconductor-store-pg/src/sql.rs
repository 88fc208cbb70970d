//! Statements with the schema's name in them.
//!
//! Every table is named with its schema, so that statements mean the same in a host's session, whatever its `search_path`.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use opsconductor_core::{Error, ErrorKind, Result};
use sqlx::AssertSqlSafe;

/// Longest name that PostgreSQL keeps whole, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// What stands for the schema in statements.
const TOKEN: &str = ":schema.";

/// A name of a schema or a role, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Takes what PostgreSQL would take unquoted: letters, digits and underscores, not a digit first, in lower case.
    pub(crate) fn new(what: &'static str, name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !begins_well || !name.chars().all(plain) || name.len() > NAME_BYTES_MAX || name.starts_with("pg_")
        {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "the name of a {what} is made of lower-case letters, digits and underscores, does not begin \
                     with a digit or pg_, and has at most {NAME_BYTES_MAX} of them"
                ),
            )
            .with(what, name));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it goes into a statement: quoted, because it may be a word of SQL.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// The statements of one schema, each put together once.
#[derive(Debug)]
pub(crate) struct Statements {
    prefix: String,
    /// By the address of the template, which lives as long as the program.
    made: RwLock<HashMap<(usize, usize), Arc<str>>>,
}

impl Statements {
    pub(crate) fn new(schema: &Name) -> Self {
        Self { prefix: format!("{}.", schema.quoted()), made: RwLock::default() }
    }

    /// `template` with the schema in place of its token.
    pub(crate) fn of(&self, template: &'static str) -> AssertSqlSafe<Arc<str>> {
        let key = (template.as_ptr() as usize, template.len());
        if let Some(made) = self.made.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return AssertSqlSafe(made.clone());
        }
        // The schema's name was checked and quoted; nothing else is put in.
        let text: Arc<str> = template.replace(TOKEN, &self.prefix).into();
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        AssertSqlSafe(made.entry(key).or_insert(text).clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_statement_names_its_schema_and_keeps_its_casts() {
        let statements = Statements::new(&Name::new("schema", "select").unwrap());
        let made = statements.of("SELECT $1::bigint FROM :schema.queue");
        assert_eq!(&*made.0, "SELECT $1::bigint FROM \"select\".queue");
    }

    #[test]
    fn a_name_that_could_be_more_than_a_name_is_refused() {
        for name in ["", "a\"b", "A", "1a", "a b", "a;", "pg_x", "é", &"x".repeat(64)] {
            let error = Name::new("schema", name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert!(Name::new("schema", &"x".repeat(63)).is_ok());
    }
}
