//! Where our tables are on a connection: alone in it, or attached to a host's under a name.

use std::fmt;

use rusqlite::{CachedStatement, Connection};

use crate::writer::Tx;

/// Where our tables are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tables<'a> {
    /// In a file that the connection has alone.
    Own,
    /// In the database of this name beside others, whose tables may have the names of ours.
    In(&'a str),
}

impl Tables<'_> {
    /// A statement of ours on a connection.
    pub(crate) fn prepare<'c>(self, db: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        match self {
            Self::Own => db.prepare_cached(sql),
            Self::In(database) => db.prepare_cached(&qualified(sql, database)),
        }
    }
}

/// Where statements on our tables come from.
pub(crate) trait Statements {
    /// A statement of ours, prepared.
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>>;
}

impl Statements for Connection {
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        Tables::Own.prepare(self, sql)
    }
}

impl Statements for Tx<'_> {
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.prepare(sql)
    }
}

/// `sql` with the database before each table: before every name that follows FROM, INTO, UPDATE or JOIN. Our statements name
/// tables nowhere else and put no such word into a text.
fn qualified(sql: &str, database: &str) -> String {
    let mut made = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    let mut table_next = false;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        if is_word(first) {
            // `DO UPDATE SET` names no table.
            if table_next && token != "SET" {
                // Writing to a string cannot fail.
                let _ = fmt::Write::write_fmt(&mut made, format_args!("{}.", quoted(database)));
            }
            table_next = matches!(token, "FROM" | "INTO" | "UPDATE" | "JOIN");
        } else if !first.is_whitespace() {
            table_next = false;
        }
        made.push_str(token);
        rest = after;
    }
    made
}

/// A name as it goes into a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_alone_are_named_with_their_database() {
        for (sql, expected) in [
            ("SELECT a FROM jobs WHERE b = 'x'", "SELECT a FROM \"o\".jobs WHERE b = 'x'"),
            ("INSERT INTO queue (a) VALUES (?1)", "INSERT INTO \"o\".queue (a) VALUES (?1)"),
            (
                "UPDATE queue SET a = 1 WHERE b IN (SELECT c\n FROM\n runs)",
                "UPDATE \"o\".queue SET a = 1 WHERE b IN (SELECT c\n FROM\n \"o\".runs)",
            ),
            (
                "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
                "INSERT INTO \"o\".t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
            ),
            ("SELECT 1 FROM (SELECT 2)", "SELECT 1 FROM (SELECT 2)"),
        ] {
            assert_eq!(qualified(sql, "o"), expected);
        }
        assert_eq!(qualified("SELECT 1 FROM t", "o\"p"), "SELECT 1 FROM \"o\"\"p\".t");
    }
}
