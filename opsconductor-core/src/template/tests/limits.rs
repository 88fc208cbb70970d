//! Whatever the template, it ends: each of these is stopped by a count, at compile time or while it renders.

use super::*;

/// Compiles and renders on a stack as small as a worker thread's.
fn ends(source: String, values: Value) -> String {
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let run = small.spawn(move || match run(&source, values, Sink::Text) {
        Ok(out) => panic!("rendered {} bytes", out.len()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Template);
            error.to_string()
        }
    });
    run.unwrap().join().unwrap()
}

#[test]
fn a_long_source_is_refused() {
    assert!(ends("a".repeat(64 * 1024 + 1), json!({})).contains("64 KiB"));
    assert!(compile(&"a".repeat(64 * 1024), Sink::Text).is_ok());
    assert!(compile(&"\n".repeat(64 * 1024), Sink::PowerShell).is_ok());
}

#[test]
fn nesting_is_refused_before_it_is_parsed() {
    let n = 20_000;
    let nested = [
        format!("{{{{ {}1 }}}}", "-".repeat(n)),
        format!("{{{{ {}1 }}}}", "not ".repeat(n / 2)),
        format!("{{{{ {}1{} }}}}", "(".repeat(n), ")".repeat(n)),
        format!("{{{{ {}{} }}}}", "[".repeat(n), "]".repeat(n)),
        format!("{{{{ {}1{} }}}}", "{1:".repeat(n / 2), "}".repeat(n / 2)),
        format!("{{{{ 1{} }}}}", "+1".repeat(n)),
        format!("{{{{ 1{} }}}}", "**1".repeat(n / 2)),
        format!("{{{{ 1{} }}}}", "~1".repeat(n)),
        format!("{{{{ a{} }}}}", ".a".repeat(n)),
        format!("{{{{ a{} }}}}", "[0]".repeat(n / 2)),
        format!("{{{{ a{} }}}}", "()".repeat(n / 2)),
        format!("{{{{ a{} }}}}", "|upper".repeat(n / 4)),
        format!("{{{{ a{} }}}}", " is defined".repeat(n / 8)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(n / 8)),
        format!("{{{{ 1{} }}}}", " and 1".repeat(n / 4)),
        format!("{{{{ 1{} }}}}", " == 1".repeat(n / 4)),
        format!("{{% set x = {}1 %}}", "-".repeat(n)),
        format!("{{% if {}1 %}}{{% endif %}}", "not ".repeat(n / 2)),
        "{% if 1 %}".repeat(n / 8),
        format!("{}{}", "{% if 1 %}".repeat(3000), "{% endif %}".repeat(3000)),
        format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(4000)),
        format!("{}{}", "{% for a in b %}".repeat(1500), "{% endfor %}".repeat(1500)),
        format!("{}{}", "{% with %}".repeat(2000), "{% endwith %}".repeat(2000)),
        format!("{}{}", "{% set a %}".repeat(2000), "{% endset %}".repeat(2000)),
        format!("{{% set a{} %}}{{% endset %}}", "|upper".repeat(5000)),
    ];
    for source in nested {
        let start: String = source.chars().take(30).collect();
        let error = ends(source, json!({"a": 1, "b": []}));
        assert!(error.contains("nested too deep"), "{start}: {error}");
    }
}

#[test]
fn the_deepest_template_that_is_taken_fits_the_stack() {
    let brackets = format!("{{{{ {}1{} }}}}", "[".repeat(24), "]".repeat(24));
    let sums = format!("{{{{ 1{} }}}}", "+1".repeat(128));
    let prefixes = format!("{{{{ {}1 }}}}", "not ".repeat(32));
    let mut inner = format!("{brackets}{sums}{prefixes}");
    for _ in 0..28 {
        inner = format!("{{% if 1 %}}{inner}{{% endif %}}");
    }
    for _ in 0..4 {
        inner = format!("{{% for a in [1, 2] %}}{inner}{{% endfor %}}");
    }
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let out = small.spawn(move || run(&inner, json!({}), Sink::Text).unwrap()).unwrap().join().unwrap();
    assert_eq!(out.matches("129").count(), 16);
}

#[test]
fn growth_is_stopped() {
    let doubled = |start: &str, step: &str| format!("{{% set x = {start} %}}{}{{{{ x }}}}", step.repeat(64));
    let spent = [
        doubled("[1]", "{% set x = x + x %}"),
        doubled("'a'", "{% set x = x ~ x %}"),
        doubled("'a'", "{% set x = x + x %}"),
        doubled("[1]", "{% set x = [x, x] %}"),
        doubled("{}", "{% set x = {'a': x, 'b': x} %}"),
        doubled("'a'", "{% set x = x | replace('a', 'aaaaaaaa') %}"),
        doubled("'aa'", "{% set x = [x, x, x] | join(x) %}"),
        doubled("'a'", "{% set x = [x, x] | tojson %}"),
        doubled("'%'", "{% set x = (x ~ x) | urlencode %}"),
        doubled("'a'", "{% set x = x | b64encode %}"),
        doubled("'a'", "{% set x %}{{ x }}{{ x }}{% endset %}"),
        doubled("'\u{390}'", "{% set x = (x ~ x) | upper %}"),
        "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% for b in range(10000) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}".into(),
        "{% for a in range(10000) %}{{ long }}{% endfor %}".into(),
        "{% for a in range(10000) %}{% set x = long ~ long %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if long == copy %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if 'zz' in long %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if long | length %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if long | int %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if long[999999] %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if long[:1] %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if many | sort %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if many | min %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if many | sum %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if 'b' in many %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% if many == many %}{% endif %}{% endfor %}".into(),
        "{% for a in range(10000) %}{% for b in many %}{% endfor %}{% endfor %}".into(),
        "{{ many | unique }}".into(),
        "{{ long | split('a') }}".into(),
        format!("{}{{% for a in range(10000) %}}{}{{% endfor %}}", "{% set b = 1 %}".repeat(2000), "{{ c }}".repeat(2000)),
    ];
    let many: Vec<u32> = (0..20_000).collect();
    for source in spent {
        let start: String = source.chars().take(90).collect();
        let long = "a".repeat(1_000_000);
        let error = ends(source, json!({"long": long, "copy": long, "many": many, "c": ""}));
        let stopped =
            ["too many steps", "16 MiB", "4 MiB", "64 deep"].iter().any(|limit| error.contains(limit));
        assert!(stopped, "{start}: {error}");
    }
}

#[test]
fn numbers_stay_numbers() {
    let error = |source: &str| run(source, json!({}), Sink::Text).unwrap_err().to_string();
    for source in [
        "{{ 9 ** 99 }}",
        "{{ 9 ** 9 ** 9 ** 9 ** 9 }}",
        "{{ 18446744073709551615 + 1 }}",
        "{{ 9223372036854775807 * 3 }}",
        "{{ 10.0 ** 999 }}",
        "{{ 1e300 * 1e300 }}",
        "{{ 2 ** 4294967297 }}",
    ] {
        assert!(error(source).contains("too large"), "{source}");
    }
    for source in ["{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0 }}", "{{ 1 is divisibleby 0 }}"]
    {
        assert!(error(source).contains("divide by zero"), "{source}");
    }
    for source in ["{{ 1e999 }}", "{{ 340282366920938463463374607431768211455 }}"] {
        assert!(compile(source, Sink::Text).is_err(), "{source}");
    }
    assert!(error("{{ 'a' * 1000000000 }}").contains("needs two numbers"));
    assert!(error("{{ [1] * 1000000000 }}").contains("needs two numbers"));
    assert!(error("{{ range(1000000000) }}").contains("10,000"));
    assert!(error("{{ range(0, 9223372036854775807, 1) }}").contains("10,000"));
    assert_eq!(
        text(
            "{{ range(5, 0, -2) | join(',') }} {{ range(9223372036854775806, 9223372036854775807) | length }}",
            json!({})
        ),
        "5,3,1 1"
    );
    assert_eq!(
        text(
            "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | length }}",
            json!({})
        ),
        "2"
    );
}

#[test]
fn deep_values_are_refused_and_not_recursed_into() {
    let mut deep = json!(1);
    for _ in 0..2_000 {
        deep = Value::Array(vec![deep]);
    }
    let values = Map::from_iter([("x".to_owned(), deep)]);
    for source in ["{{ x }}", "{{ x | tojson }}", "{{ x == x }}", "{{ [x] | length }}", "{{ x + x }}"] {
        let error = render(source, &values, Sink::Text, TemplateOptions::default()).unwrap_err().to_string();
        assert!(error.contains("64 deep"), "{source}: {error}");
    }
}

#[test]
fn only_what_is_listed_can_be_written() {
    let table = [
        ("{% include 'a' %}", "include"),
        ("{% import 'a' as b %}", "import"),
        ("{% from 'a' import b %}", "from"),
        ("{% extends 'a' %}", "extends"),
        ("{% block a %}{% endblock %}", "block"),
        ("{% macro a() %}{% endmacro %}", "macro"),
        ("{% call a() %}{% endcall %}", "call"),
        ("{% filter upper %}{% endfilter %}", "filter"),
        ("{% autoescape false %}{% endautoescape %}", "autoescape"),
        ("{% do a() %}", "do"),
        ("{% set a.b = 1 %}", "assigned"),
        ("{% for a in b recursive %}{% endfor %}", "recursive"),
        ("{{ loop }}", "loop"),
        ("{{ loop.index }}", "inside"),
        ("{% for a in b %}{{ loop.cycle(1, 2) }}{% endfor %}", "loop"),
        ("{{ self.x() }}", "self"),
        ("{{ debug() }}", "debug"),
        ("{{ namespace() }}", "namespace"),
        ("{{ dict(a=1) }}", "dict"),
        ("{{ a | format(1) }}", "format"),
        ("{{ a | indent(100000) }}", "indent"),
        ("{{ a | safe }}", "safe"),
        ("{{ a | map('upper') }}", "map"),
        ("{{ a | batch(1) }}", "batch"),
        ("{{ a.format(1) }}", "format"),
        ("{{ a.__class__() }}", "__class__"),
        ("{{ a | replace(*b) }}", "star"),
        ("{{ a | default(x=1) }}", "no argument"),
        ("{{ a | upper(1) }}", "takes 0 arguments"),
        ("{{ a is sameas b }}", "sameas"),
        ("{{ (a)(1) }}", "function"),
        ("{{ a[0](1) }}", "called"),
        ("{{ a", "syntax"),
        ("{% if a %}", "syntax"),
        ("{% endif %}", "syntax"),
        ("{{ }}", "syntax"),
        ("{% wat %}", "wat"),
    ];
    for (source, part) in table {
        let error = compile_error(source, Sink::Text);
        assert!(error.contains(part), "{source}: {error}");
        assert!(error.contains("line 1"), "{source}: {error}");
    }
}
