//! One measured figure, and the line it is printed as.

use std::io::{self, Write};

use serde_json::{Value, json};

/// Which way a figure improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better: a rate.
    Higher,
    /// Less is better: a time, a size.
    Lower,
}

impl Better {
    fn as_str(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// One figure of one round.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure<'a> {
    /// The bench it belongs to: `micro`, `engine`.
    pub bench: &'a str,
    /// What was measured: `render.cached`.
    pub metric: &'a str,
    /// Who was measured: `opsconductor`, a peer with its version, or `limit`.
    pub subject: &'a str,
    /// How much.
    pub value: f64,
    /// Of what: `µs`, `ms`, `s`, `MB/s`, `MiB`, `tasks/s`.
    pub unit: &'a str,
    /// Which way it improves.
    pub better: Better,
    /// How many operations the value rests on.
    pub n: u64,
    /// The round, from 1.
    pub round: u32,
    /// What else belongs to it, such as the size that was copied; behind the other members.
    pub more: &'a [(&'a str, Value)],
}

impl Figure<'_> {
    /// The figure as its one JSON line, without the newline.
    pub fn to_line(&self) -> String {
        let mut line = json!({
            "bench": self.bench,
            "metric": self.metric,
            "subject": self.subject,
            "value": number(significant(self.value)),
            "unit": self.unit,
            "better": self.better.as_str(),
            "n": self.n,
            "round": self.round,
        });
        for (name, value) in self.more {
            line[*name] = value.clone();
        }
        line.to_string()
    }

    /// Prints the line on standard output at once, so that a long bench can be followed.
    ///
    /// # Errors
    /// What writing to standard output answers.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.to_line())?;
        out.flush()
    }
}

/// Whole numbers are written without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// Four significant digits: what lies behind them is noise.
fn significant(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        return value.round();
    }
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_members_in_their_order() {
        let figure = Figure {
            bench: "queue",
            metric: "pg.drain",
            subject: "opsconductor",
            value: 21_500.4,
            unit: "tasks/s",
            better: Better::Higher,
            n: 20_000,
            round: 1,
            more: &[],
        };
        let line = r#"{"bench":"queue","metric":"pg.drain","subject":"opsconductor","value":21500,"unit":"tasks/s","better":"higher","n":20000,"round":1}"#;
        assert_eq!(figure.to_line(), line);
        let more = [("mib", json!(64))];
        assert_eq!(Figure { more: &more, ..figure }.to_line(), line.replace("}", r#","mib":64}"#));
    }

    #[test]
    fn values_keep_four_significant_digits() {
        assert_eq!(significant(0.000_123_456), 0.000_123_5);
        assert_eq!(significant(2.345_678), 2.346);
        assert_eq!(significant(123_456.7), 123_457.0);
        assert_eq!(significant(0.0), 0.0);
    }
}
