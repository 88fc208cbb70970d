//! Number literals.

use super::super::value::Value;
use super::Parser;

impl Parser {
    /// A number here, with its suffixes; none when the word is none.
    pub(super) fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let mut end = self.at;
        let text = &self.source.text;
        if text.get(end).is_some_and(|c| matches!(c, '0'))
            && text.get(end + 1).is_some_and(|c| matches!(c, 'x' | 'X'))
        {
            end += 2;
            while text.get(end).is_some_and(char::is_ascii_hexdigit) {
                end += 1;
            }
        } else {
            while text.get(end).is_some_and(char::is_ascii_digit) {
                end += 1;
            }
            if text.get(end) == Some(&'.') && text.get(end + 1).is_some_and(char::is_ascii_digit) {
                end += 1;
                while text.get(end).is_some_and(char::is_ascii_digit) {
                    end += 1;
                }
            }
            if matches!(text.get(end), Some('e' | 'E')) {
                let sign = usize::from(matches!(text.get(end + 1), Some('+' | '-')));
                if text.get(end + 1 + sign).is_some_and(char::is_ascii_digit) {
                    end += 1 + sign;
                    while text.get(end).is_some_and(char::is_ascii_digit) {
                        end += 1;
                    }
                }
            }
        }
        while text.get(end).is_some_and(|c| {
            matches!(
                c,
                'l' | 'L' | 'd' | 'D' | 'k' | 'K' | 'm' | 'M' | 'g' | 'G' | 't' | 'T' | 'b' | 'B' | 'p' | 'P'
            )
        }) {
            end += 1;
        }
        let word: String = text[start..end].iter().collect();
        let value = parse_number(&word)?;
        self.at = end;
        Some(value)
    }
}

/// A number literal: decimal, hexadecimal, with `L`, `d`, and `kb` to `pb`.
pub(in super::super) fn parse_number(word: &str) -> Option<Value> {
    let lower = word.to_ascii_lowercase();
    let (body, factor) = match lower.get(lower.len().saturating_sub(2)..) {
        Some("kb") => (&lower[..lower.len() - 2], 1_i64 << 10),
        Some("mb") => (&lower[..lower.len() - 2], 1 << 20),
        Some("gb") => (&lower[..lower.len() - 2], 1 << 30),
        Some("tb") => (&lower[..lower.len() - 2], 1 << 40),
        Some("pb") => (&lower[..lower.len() - 2], 1 << 50),
        _ => (lower.as_str(), 1),
    };
    if let Some(hex) = body.strip_prefix("0x") {
        let long = hex.ends_with('l');
        let number = u64::from_str_radix(hex.trim_end_matches('l'), 16).ok()?;
        return Some(match u32::try_from(number) {
            Ok(small) if !long && factor == 1 => Value::Int(small as i32),
            _ => Value::number((number as i64).checked_mul(factor)?),
        });
    }
    let first = body.chars().next()?;
    if !(first.is_ascii_digit() || first == '.' && body.len() > 1) {
        return None;
    }
    if let Some(long) = body.strip_suffix('l') {
        return Some(Value::Long(long.parse::<i64>().ok()?.checked_mul(factor)?));
    }
    if let Some(decimal) = body.strip_suffix('d') {
        return Some(Value::Double(decimal.parse::<f64>().ok()? * factor as f64));
    }
    match body.parse::<i64>() {
        Ok(number) => match number.checked_mul(factor) {
            Some(number) => Some(Value::number(number)),
            None => Some(Value::Double(number as f64 * factor as f64)),
        },
        Err(_) => Some(Value::Double(body.parse::<f64>().ok()? * factor as f64)),
    }
}
