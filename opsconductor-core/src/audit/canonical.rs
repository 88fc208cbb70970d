//! JSON in the one form that RFC 8785 (JCS) gives it: members sorted by the UTF-16 code units of their names, numbers as
//! ECMAScript writes them, no space.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// The largest integer of which every smaller one is a double too.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// `value` in canonical form.
pub fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

/// Appends `value` in canonical form.
pub fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => write_object(text, members),
    }
}

/// Appends an object in canonical form.
pub fn write_object(text: &mut String, members: &Map<String, Value>) {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    text.push('{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write_string(text, name);
        text.push(':');
        write(text, value);
    }
    text.push('}');
}

/// Appends a string, with no more escapes than it needs.
pub fn write_string(text: &mut String, string: &str) {
    text.push('"');
    let mut plain = 0;
    for (at, byte) in string.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            0x0C => "\\f",
            b'\r' => "\\r",
            0..0x20 => "",
            _ => continue,
        };
        // What is escaped is one byte long, so both ends are between characters.
        text.push_str(&string[plain..at]);
        plain = at + 1;
        match escape {
            "" => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{byte:04x}");
            }
            escape => text.push_str(escape),
        }
    }
    text.push_str(&string[plain..]);
    text.push('"');
}

fn write_number(text: &mut String, number: &Number) {
    // Small integers are the same in both worlds, and most numbers are small integers.
    let written = match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) if whole <= INTEGER_MAX => write!(text, "{whole}"),
        (_, Some(whole)) if whole.unsigned_abs() <= INTEGER_MAX => write!(text, "{whole}"),
        // JSON knows doubles alone: a number of `serde_json` without its arbitrary precision always is one.
        _ => {
            write_double(text, number.as_f64().unwrap_or_default());
            Ok(())
        }
    };
    // Writing to a string cannot fail.
    let _ = written;
}

/// Appends a finite double as `Number.prototype.toString` of ECMAScript does.
fn write_double(text: &mut String, double: f64) {
    if double == 0.0 {
        // Minus zero too.
        return text.push('0');
    }
    if double < 0.0 {
        text.push('-');
    }
    // The fewest digits that read as this number, nearest to it among those, and even of two that are as near.
    let shortest = Number::from_f64(double.abs()).map(|number| number.to_string()).unwrap_or_default();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    let count = digits.len() as i32;
    // The place of the point, counted from before the first digit.
    let point = exponent.parse::<i32>().unwrap_or_default() + whole.len() as i32 - leading as i32;
    if (count..=21).contains(&point) {
        text.push_str(digits);
        text.extend(std::iter::repeat_n('0', (point - count) as usize));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(point as usize);
        text.push_str(whole);
        text.push('.');
        text.push_str(fraction);
    } else if (-5..=0).contains(&point) {
        text.push_str("0.");
        text.extend(std::iter::repeat_n('0', -point as usize));
        text.push_str(digits);
    } else {
        let (first, rest) = digits.split_at(1);
        text.push_str(first);
        if !rest.is_empty() {
            text.push('.');
            text.push_str(rest);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "e{}{}", if point > 0 { '+' } else { '-' }, (point - 1).abs());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// RFC 8785, appendix B: the bits of doubles and what ECMAScript writes for them.
    const DOUBLES: &[(u64, &str)] = &[
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];

    #[test]
    fn doubles_are_written_as_the_rfc_lists_them() {
        for (bits, expected) in DOUBLES {
            let number = Number::from_f64(f64::from_bits(*bits)).unwrap();
            assert_eq!(to_string(&Value::Number(number)), *expected, "{bits:x}");
        }
    }

    #[test]
    fn the_sample_of_the_rfc_has_its_canonical_form() {
        let sample = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(to_string(&serde_json::from_str(sample).unwrap()), expected);
    }

    #[test]
    fn members_are_sorted_as_the_rfc_sorts_them() {
        let sample = r#"{
            "\u20ac": "Euro Sign",
            "\r": "Carriage Return",
            "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face",
            "\u0080": "Control",
            "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
            \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\
            \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(to_string(&serde_json::from_str(sample).unwrap()), expected);
    }

    #[test]
    fn integers_beyond_doubles_are_written_as_the_double_they_are() {
        assert_eq!(to_string(&serde_json::json!(u64::MAX)), "18446744073709552000");
        assert_eq!(to_string(&serde_json::json!(i64::MIN)), "-9223372036854776000");
        assert_eq!(to_string(&serde_json::json!(9_007_199_254_740_991_u64)), "9007199254740991");
    }

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        assert_eq!(
            to_string(&serde_json::json!("\u{8}\t\n\u{c}\r\u{0}\u{1f}\u{7f}\u{2028}é")),
            "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\u{2028}é\""
        );
    }
}
