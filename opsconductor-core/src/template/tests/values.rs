//! What goes in as it is, and what does not.

use super::*;
use crate::template::{is_plain, quote};

#[test]
fn the_templates_of_the_python_system_mean_what_they_meant() {
    let values = json!({"svc": "Spooler"});
    let command = "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status";
    assert_eq!(
        run(command, values.clone(), Sink::PowerShell).unwrap(),
        "Restart-Service Spooler; (Get-Service Spooler).Status"
    );
    assert_eq!(run("C:\\temp\\{{ svc }}.txt", values.clone(), Sink::Text).unwrap(), "C:\\temp\\Spooler.txt");
    assert_eq!(run("C:\\temp\\{{ svc }}.txt", values.clone(), Sink::Cmd).unwrap(), "C:\\temp\\Spooler.txt");
    assert_eq!(
        run("type C:\\temp\\{{ svc }}.txt", values, Sink::PowerShell).unwrap(),
        "type C:\\temp\\Spooler.txt"
    );
}

#[test]
fn harmless_values_go_in_as_they_are() {
    let table = [
        (
            Sink::PowerShell,
            "Restart-Service {{ x }}",
            vec!["Spooler", "a.b_c-d", "7", "C:\\temp\\a.txt", "W32Time"],
        ),
        (Sink::Cmd, "type {{ x }}", vec!["C:\\temp\\a.txt", "a-b_c.d"]),
        (Sink::Sh, "ls {{ x }}", vec!["/var/log/a.log", "user@host:path", "a+b", "50%"]),
        (Sink::Sh, "ls \"{{ x }}\"", vec!["/var/log", ""]),
        (Sink::Json, "{\"a\": \"{{ x }}\"}", vec!["a b", "it_is: fine!", ""]),
        (Sink::Url, "https://h/{{ x }}", vec!["a~b", "v1.2", ""]),
        (Sink::Text, "{{ x }}", vec!["anything; 'at' \"all\"\n\0$(x)", "-x", ""]),
    ];
    for (sink, source, values) in table {
        for value in values {
            let expected = source.replace("{{ x }}", value);
            assert_eq!(run(source, json!({"x": value}), sink).unwrap(), expected, "{sink}");
        }
    }
}

#[test]
fn harmful_values_are_refused_and_never_shown() {
    let table = [
        (Sink::PowerShell, "Restart-Service {{ x }}"),
        (Sink::Cmd, "type {{ x }}"),
        (Sink::Sh, "ls {{ x }}"),
        (Sink::PowerShell, "Write-Output \"{{ x }}\""),
        (Sink::PowerShell, "Write-Output '{{ x }}'"),
        (Sink::Sh, "ls '{{ x }}'"),
        (Sink::Sh, "ls \"{{ x }}\""),
    ];
    let values = [
        "a; Stop-Computer",
        "$(calc)",
        "a b",
        "`whoami`",
        "a&b",
        "a|b",
        "a>b",
        "a<b",
        "'",
        "\"",
        "\u{2019}",
        "\u{201C}",
        "a\nb",
        "a\rb",
        "a\0b",
        "@args",
        "$env:PATH",
        "(x)",
        "{x}",
        "[x]",
        "*",
        "?",
        "~",
        "#x",
        "!x",
        "%PATH%%",
        "^x",
        "a,b",
        "a=b",
        "-rf",
        "\u{2013}x",
        "\u{FF02}",
        "é",
        "\u{202E}x",
        "{{ y }}",
        "\u{85}",
        "\u{A0}",
    ];
    for (sink, source) in table {
        for value in values {
            let error = refused(source, json!(value), sink);
            assert!(error.contains("| quote"), "{error}");
            assert!(error.contains("line 1, column "), "{error}");
        }
    }
}

#[test]
fn options_and_nothing_need_quoting_outside_literals() {
    for sink in [Sink::PowerShell, Sink::Cmd, Sink::Sh, Sink::Json, Sink::Url] {
        assert!(!is_plain("-x", sink), "{sink}");
        assert!(!is_plain("", sink), "{sink}");
    }
    assert!(!is_plain("/f", Sink::Cmd));
    assert!(!is_plain("/f", Sink::PowerShell));
    assert!(!is_plain("+x", Sink::Sh));
    assert!(is_plain("", Sink::Text) && is_plain("-x", Sink::Text));
    for sink in [Sink::PowerShell, Sink::Cmd, Sink::Sh] {
        let error = refused("echo {{ x }} end", json!(""), sink);
        assert!(error.contains("is empty: pass it through \"| quote\""), "{error}");
        assert!(refused("echo {{ x }}", json!(-1), sink).contains("| quote"));
        assert!(refused("echo {{ x }}", json!(-1.5), sink).contains("| quote"));
    }
    assert!(refused("copy \"C:\\a b\\{{ x }}\" d", json!("x\\"), Sink::PowerShell).contains("literal"));
}

#[test]
fn numbers_and_booleans_are_written_as_jinja2_writes_them() {
    assert_eq!(
        text("{{ a }} {{ b }} {{ c }} {{ d }}", json!({"a": 3, "b": 1.5, "c": true, "d": false})),
        "3 1.5 True False"
    );
    assert_eq!(text("{{ x }}", json!({"x": 18446744073709551615u64})), "18446744073709551615");
    assert_eq!(text("{{ 2.0 }} {{ True }} {{ true }}", json!({})), "2.0 True True");
    assert_eq!(
        run("[{{ x }}, {{ false | quote }}]", json!({"x": true}), Sink::Json).unwrap(),
        "[true, false]"
    );
    assert_eq!(run("ls {{ x }}", json!({"x": true}), Sink::Sh).unwrap(), "ls True");
    assert_eq!(text("{{ x }}", json!({"x": [1, "a", null]})), r#"[1,"a",null]"#);
    for sink in [Sink::PowerShell, Sink::Cmd, Sink::Sh, Sink::Text] {
        assert!(refused("echo {{ x }}", json!(null), sink).contains("is null"));
    }
    for sink in [Sink::PowerShell, Sink::Cmd, Sink::Sh] {
        assert!(refused("echo {{ x }}", json!(["a"]), sink).contains("is a list"));
        assert!(refused("echo {{ x | quote }}", json!({"a": 1}), sink).contains("is a map"));
    }
}

#[test]
fn a_word_is_not_run_as_a_command_where_a_value_is_due() {
    for source in [
        "$a = {{ x }}",
        "$a={{ x }}",
        "if ({{ x }}) { 1 }",
        "$a += {{ x }}",
        "@{ Name = {{ x }} }",
        "$a[0] = {{ x }}",
    ] {
        assert!(refused(source, json!("calc"), Sink::PowerShell).contains("run it as a command"), "{source}");
        assert_eq!(run(source, json!({"x": 5}), Sink::PowerShell).unwrap(), source.replace("{{ x }}", "5"));
    }
    for source in ["sc.exe config svc start= {{ x }}", "choco install a --version={{ x }}", "& {{ x }} -y"] {
        assert!(run(source, json!({"x": "auto"}), Sink::PowerShell).is_ok(), "{source}");
    }
}

#[test]
fn raw_needs_the_jobs_permission() {
    let error = compile_error("echo {{ x | raw }}", Sink::Sh);
    assert!(error.contains("allowRaw"), "{error}");
    let allowed = TemplateOptions::default().with_allow_raw(true);
    let values = map(json!({"x": "a; b"}));
    assert_eq!(render("echo {{ x | raw }}", &values, Sink::Sh, allowed).unwrap(), "echo a; b");
    assert_eq!(render("echo '{{ x | raw }}'", &values, Sink::Sh, allowed).unwrap(), "echo 'a; b'");
    assert!(render("echo {{ x }}", &values, Sink::Sh, allowed).is_err());
}

#[test]
fn what_is_written_is_checked_and_not_what_it_was_made_of() {
    let smuggled = [
        "{{ a ~ b }}",
        "{{ [a, b] | join }}",
        "{{ x | replace('x', a ~ b) }}",
        "{% set y = a ~ b %}{{ y }}",
        "{% set y %}{{ a }}{{ b }}{% endset %}{{ y }}",
        "{% for y in [a ~ b] %}{{ y }}{% endfor %}",
        "{{ z | default(a ~ b) }}",
        "{{ 'O25v' | b64decode }}",
        "{{ (a ~ b) if true }}",
        "{% with y = a ~ b %}{{ y }}{% endwith %}",
        "{{ {'k': a ~ b}.k }}",
        "{{ 'a;b'.upper() }}",
        "{{ ['a', 'b'] | join('; ') }}",
    ];
    for source in smuggled {
        let values = json!({"a": "$", "b": "(calc)", "x": "x"});
        for sink in [Sink::PowerShell, Sink::Cmd, Sink::Sh] {
            let error = run(&format!("echo {source}"), values.clone(), sink).unwrap_err().to_string();
            assert!(error.contains("not plain"), "{sink} {source}: {error}");
        }
    }
}

#[test]
fn values_are_never_rendered_again() {
    assert_eq!(text("{{ x }}", json!({"x": "{{ y }}{% if %}"})), "{{ y }}{% if %}");
}

#[test]
fn quoting_brings_the_value_through() {
    assert_eq!(quote("it's", Sink::Sh).unwrap(), "'it'\\''s'");
    assert_eq!(quote("nginx", Sink::Sh).unwrap(), "'nginx'");
    assert_eq!(quote("", Sink::Sh).unwrap(), "''");
    assert_eq!(
        quote("it's \u{2018}x\u{2019} \u{201A}\u{201B}", Sink::PowerShell).unwrap(),
        "'it''s \u{2018}\u{2018}x\u{2019}\u{2019} \u{201A}\u{201A}\u{201B}\u{201B}'"
    );
    assert_eq!(quote("a\nb$(x)\"`", Sink::PowerShell).unwrap(), "'a\nb$(x)\"`'");
    assert_eq!(quote("a\"b\\\n", Sink::Json).unwrap(), r#""a\"b\\\n""#);
    assert_eq!(quote("a b/ü?&", Sink::Url).unwrap(), "a%20b%2F%C3%BC%3F%26");
    assert_eq!(quote("a b", Sink::Text).unwrap(), "a b");
    assert_eq!(quote("C:\\Program Files\\x", Sink::Cmd).unwrap(), "\"C:\\Program Files\\x\"");
    assert_eq!(quote("plain.txt", Sink::Cmd).unwrap(), "plain.txt");
    for sink in [Sink::Sh, Sink::PowerShell, Sink::Cmd] {
        assert!(quote("a\0b", sink).unwrap_err().to_string().contains("a value holds a"), "{sink}");
    }
    for bad in [
        "&", "|", "<", ">", "^", "%", "!", "\"", "(", ")", "\n", "\r", "\t", "a b\\", "\u{FF02}", "\u{2033}",
        "\u{201C}", "\u{7F}",
    ] {
        let error = quote(bad, Sink::Cmd).unwrap_err().to_string();
        assert!(error.contains("cmd.exe") || error.contains("backslash"), "{error}");
        assert!(refused("echo {{ x | quote }}", json!(bad), Sink::Cmd).contains("`x`"));
    }
    assert!(quote("..", Sink::Url).is_err());
}

#[test]
fn json_takes_any_value() {
    let run = |source: &str, x: Value| run(source, json!({ "x": x }), Sink::Json);
    assert_eq!(
        run(r#"{"a": {{ x | quote }}}"#, json!({"k": ["\"", 1]})).unwrap(),
        r#"{"a": {"k":["\"",1]}}"#
    );
    assert_eq!(run(r#"{"a": {{ x | tojson }}}"#, json!("it's")).unwrap(), r#"{"a": "it's"}"#);
    assert_eq!(run("[{{ x }}]", json!(-1)).unwrap(), "[-1]");
    assert_eq!(run("[{{ x }}]", json!(null)).unwrap(), "[null]");
    assert_eq!(run("[{{ x }}]", json!("12")).unwrap(), "[12]");
    assert!(refused("[{{ x }}]", json!("word"), Sink::Json).contains("| quote"));
    assert!(refused("[{{ x }}]", json!("1,2"), Sink::Json).contains("| quote"));
    assert!(refused("[{{ x }}]", json!([1]), Sink::Json).contains("| quote"));
    assert!(refused(r#"["{{ x }}"]"#, json!("a\"b"), Sink::Json).contains("literal"));
    assert!(refused(r#"["{{ x }}"]"#, json!("a\\"), Sink::Json).contains("literal"));
}

#[test]
fn urls_keep_their_shape() {
    let run = |source: &str, x: &str| run(source, json!({ "x": x }), Sink::Url);
    assert_eq!(
        run("https://h/{{ x | quote }}?a={{ x | quote }}", "a/b&c").unwrap(),
        "https://h/a%2Fb%26c?a=a%2Fb%26c"
    );
    assert_eq!(run("https://{{ x }}/", "host.example").unwrap(), "https://host.example/");
    for source in ["https://h/{{ x }}", "https://h/{{ x | quote }}", "/{{ x | quote }}"] {
        assert!(refused(source, json!(".."), Sink::Url).contains("`x`"));
    }
    assert!(refused("https://{{ x }}/", json!("evil.example/x"), Sink::Url).contains("not plain"));
    assert!(refused("https://h/{{ x }}", json!("a/b"), Sink::Url).contains("pass it through \"| quote\""));
    assert!(refused("/{{ x | quote }}/b", json!(""), Sink::Url).contains("empty"));
}
