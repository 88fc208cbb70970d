//! Numbers: their text and the format strings of .NET.

use crate::machine::powershell::value::Value;

/// A double as .NET Framework prints it: 15 significant digits.
pub(in super::super) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.14e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let decimals = usize::try_from(14 - exponent).unwrap_or(0);
        let fixed = format!("{number:.decimals$}");
        return trim_zeros(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}E{sign}{:02}", trim_zeros(digits), exponent.abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("-", w));
    let mut out = String::from(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A number in a standard (`N2`, `X8`, `D3` …) or custom (`0.00`, `#,##0`) format; none when the format is wrong.
pub(in super::super) fn format_number(value: &Value, format: &str) -> Option<String> {
    let float = value.as_double()?;
    let integer = value.as_long();
    let (letter, digits) = format.split_at(format.chars().next()?.len_utf8());
    if !letter.chars().all(|c| c.is_ascii_alphabetic()) || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Some(custom(float, format));
    }
    let precision: Option<usize> = digits.parse().ok();
    Some(match letter.to_ascii_uppercase().as_str() {
        "N" => grouped(&fixed(float, precision.unwrap_or(2))),
        "F" => fixed(float, precision.unwrap_or(2)),
        "P" => format!("{} %", grouped(&fixed(float * 100.0, precision.unwrap_or(2)))),
        "C" => format!("${}", grouped(&fixed(float, precision.unwrap_or(2)))),
        "E" => {
            let text = format!("{float:.*e}", precision.unwrap_or(6));
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}{letter}{sign}{:03}", exponent.abs())
        }
        "D" => {
            let number = integer?;
            let sign = if number < 0 { "-" } else { "" };
            format!("{sign}{:0>width$}", number.unsigned_abs(), width = precision.unwrap_or(0))
        }
        "X" => {
            let number = integer?;
            let hex = match value {
                Value::Int(n) => format!("{n:x}"),
                _ => format!("{number:x}"),
            };
            let padded = format!("{hex:0>width$}", width = precision.unwrap_or(0));
            if letter == "X" { padded.to_uppercase() } else { padded }
        }
        "G" | "R" => value.to_text(),
        _ => return None,
    })
}

/// Rounds halves away from zero, as .NET Framework formats.
fn fixed(number: f64, decimals: usize) -> String {
    let factor = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    let scaled = number * factor;
    if scaled.is_finite() && scaled.abs() < 1e15 {
        let rounded = (scaled.abs() + 1e-9 * scaled.abs().max(1.0) * 1e-3).round().copysign(scaled) / factor;
        return format!("{rounded:.decimals$}");
    }
    format!("{number:.decimals$}")
}

fn custom(number: f64, format: &str) -> String {
    let is_digit = |c: char| matches!(c, '0' | '#' | '.' | ',');
    let Some(start) = format.find(is_digit) else { return format.to_owned() };
    let end = format.rfind(is_digit).map_or(format.len(), |at| at + 1);
    let pattern = &format[start..end];
    let percent = format.contains('%');
    let number = if percent { number * 100.0 } else { number };
    let (whole, fraction) = pattern.split_once('.').unwrap_or((pattern, ""));
    let text = fixed(number, fraction.chars().filter(|c| matches!(c, '0' | '#')).count());
    let (digits, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    let zeros = whole.chars().filter(|c| *c == '0').count();
    let digits = if digits == "0" && zeros == 0 { "" } else { digits };
    let padded = format!("{digits:0>zeros$}");
    let padded = if whole.contains(',') { grouped(&padded) } else { padded };
    let kept = fraction.chars().filter(|c| *c == '0').count();
    let mut decimals = decimals.to_owned();
    while decimals.len() > kept && decimals.ends_with('0') {
        decimals.pop();
    }
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{sign}{padded}{point}{decimals}{}", &format[..start], &format[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_dotnet() {
        for (number, text) in [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333333333333"),
            (1e15, "1E+15"),
            (1e-6, "1E-06"),
            (1234.5, "1234.5"),
            (100.0, "100"),
        ] {
            assert_eq!(double_text(number), text);
        }
    }

    #[test]
    fn formats_print_as_in_dotnet() {
        let shown = |value: Value, format: &str| format_number(&value, format).unwrap_or_default();
        assert_eq!(shown(Value::Double(1234.567), "N2"), "1,234.57");
        assert_eq!(shown(Value::Int(255), "X4"), "00FF");
        assert_eq!(shown(Value::Int(7), "D3"), "007");
        assert_eq!(shown(Value::Double(0.125), "P1"), "12.5 %");
        assert_eq!(shown(Value::Double(3.14159), "0.00"), "3.14");
        assert_eq!(shown(Value::Int(1234567), "#,##0"), "1,234,567");
    }
}
