//! The language: what people who know Jinja2 expect, checked against minijinja's own evaluation where both agree.

use proptest::prelude::*;

use super::*;

#[test]
fn filters_do_what_jinja2_users_expect() {
    let table = [
        ("{{ missing | default('d') }}", "d"),
        ("{{ '' | default('d') }}", ""),
        ("{{ '' | default('d', true) }}", "d"),
        ("{{ '' | default('d', boolean=true) }}", "d"),
        ("{{ n | d('x') }}", "7"),
        ("{{ 1 == true }} {{ 0 == false }} {{ 2 == true }} {{ 1 in [true] }}", "True True False True"),
        (
            "{{ s | upper }} {{ s | lower }} {{ s | title }} {{ s | capitalize }}",
            "HELLO WORLD hello world Hello World Hello world",
        ),
        ("{{ '  a ' | trim }}|{{ 'xax' | trim('x') }}", "a|a"),
        ("{{ s | replace('World', 'you') }}", "Hello you"),
        ("{{ l | join(', ') }}|{{ l | join }}", "b, a, c|bac"),
        ("{{ l | length }} {{ s | length }} {{ m | count }} {{ 'äö' | length }}", "3 11 2 2"),
        ("{{ l | first }} {{ l | last }} {{ s | first }} {{ s | last }}", "b c H d"),
        (
            "{{ '12' | int }} {{ '1.9' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ true | int }} {{ -1.9 | int }}",
            "12 1 0 5 1 -1",
        ),
        ("{{ '1.5' | float }} {{ 2 | float }} {{ 'x' | float }}", "1.5 2.0 0.0"),
        ("{{ 1.25 | round }} {{ 1.257 | round(2) }} {{ 3 | round }}", "1.0 1.26 3"),
        ("{{ -3 | abs }} {{ 12 | string | length }} {{ '' | bool }} {{ 'a' | bool }}", "3 2 False True"),
        (
            "{{ m | tojson }} {{ l | tojson }} {{ none | tojson }}",
            r#"{"k":"v","z":[1,2]} ["b","a","c"] null"#,
        ),
        ("{{ 'a b/ü' | urlencode }}", "a%20b/%C3%BC"),
        ("{{ 'hello' | b64encode }} {{ 'aGVsbG8=' | b64decode }}", "aGVsbG8= hello"),
        (
            "{{ l | sort | join }} {{ l | sort(reverse=true) | join }} {{ [3, 1, 2] | sort | first }}",
            "abc cba 1",
        ),
        ("{{ [1, 2, 1] | unique | join }} {{ l | reverse | join }} {{ 'abc' | reverse }}", "12 cab cba"),
        ("{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ [1, 2.5] | sum }} {{ [1, 2] | sum }}", "1 3 3.5 3"),
        (
            "{{ 'a,b' | split(',') | join('-') }} {{ ' a  b ' | split | join('-') }} {{ 'a\nb' | lines | join('-') }}",
            "a-b a-b a-b",
        ),
        (
            "{{ s.upper() }} {{ ' a '.strip() }} {{ 'a'.startswith('a') }} {{ 'a'.endswith('b') }} {{ m.get('k') }}",
            "HELLO WORLD a True False v",
        ),
        (
            "{{ m.get('none', 'd') }} {{ m.keys() | join }} {{ m.values() | first }} {{ 'a-b'.split('-') | last }}",
            "d kz v b",
        ),
        ("{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}", "k=v;z=[1,2];"),
        ("{{ m | items | length }} {{ m | list | join }}", "2 kz"),
    ];
    let values = json!({"s": "Hello World", "l": ["b", "a", "c"], "m": {"k": "v", "z": [1, 2]}, "n": 7});
    for (source, expected) in table {
        assert_eq!(text(source, values.clone()), expected, "{source}");
    }
}

#[test]
fn statements_do_what_jinja2_users_expect() {
    let table = [
        ("{% if a > 1 and not b %}x{% elif a == 1 %}y{% else %}z{% endif %}", "z"),
        ("{% for i in l %}{{ loop.index }}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}", "11,22,33"),
        ("{% for i in l if i is odd %}{{ loop.index }}:{{ i }} {% endfor %}", "1:1 2:3 "),
        ("{% for i in [] %}x{% else %}none{% endfor %}", "none"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}{{ range(1, 3) | join }}", "01212"),
        (
            "{% for i in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }} {% endfor %}",
            "032True3 121False3 210False3 ",
        ),
        (
            "{% for i in range(2) %}{% for j in range(2) %}{{ loop.depth }}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
            "21221 21222 ",
        ),
        ("{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "1"),
        ("{% if true %}{% set x = 5 %}{% endif %}{{ x }}", "5"),
        ("{% set x, y = [1, 2] %}{{ x }}{{ y }}", "12"),
        ("{% set x %}a{{ a }}{% endset %}{{ x | upper }}", "A2"),
        ("{% set x | upper | trim %} a{{ a }} {% endset %}{{ x }}", "A2"),
        ("{% with x = 3, y = x %}{{ y }}{% endwith %}", "3"),
        ("{# comment #}a {%- if true %} b {%- endif %}", "a b"),
        ("{% raw %}{{ a }}{% endraw %}", "{{ a }}"),
        ("line\n", "line"),
        ("{{ 'yes' if b else 'no' }}{{ 'x' if false }}", "yes"),
        (
            "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 + 2 * 3 }} {{ -a }} {{ 4 / 2 }}",
            "3 -4 2 3.5 1024 7 -2 2.0",
        ),
        ("{{ 'a' ~ 1 ~ true }} {{ 'a' + 'b' }} {{ ([1] + [2]) | join }}", "a1True ab 12"),
        (
            "{{ 1 < 2 <= 2 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ 1 != 2 }} {{ 2 in l }} {{ 'x' not in 'abc' }} {{ 'k' in m }}",
            "True True True True True True True",
        ),
        (
            "{{ l[0] }}{{ l[-1] }}{{ m.k }}{{ m['k'] }}{{ 'abc'[1] }}{{ l[1:] | join }}{{ 'abcd'[:-1] }}{{ 'abcd'[::2] }}",
            "13vvb23abcac",
        ),
        (
            "{{ m.missing is defined }} {{ nope is undefined }} {{ a is number }} {{ 'a' is string }} {{ l is sequence }} {{ m is mapping }}",
            "False True True True True True",
        ),
        (
            "{{ none is none }} {{ 4 is even }} {{ 4 is divisibleby(2) }} {{ 'ab' is startingwith('a') }} {{ a is eq 2 }} {{ 1.5 is float }}",
            "True True True True True True",
        ),
        ("{{ (1, 2) | join }} {{ {'a': 1}.a }} {{ 'it''s' }}", "12 1 its"),
        ("{{ b or 'x' }} {{ false or 'x' }} {{ a and 'y' }}", "True x y"),
    ];
    let values = json!({"a": 2, "b": true, "l": [1, 2, 3], "m": {"k": "v"}});
    for (source, expected) in table {
        assert_eq!(text(source, values.clone()), expected, "{source}");
    }
}

#[test]
fn every_name_needs_a_value() {
    let error = |source: &str| run(source, json!({"m": {}, "n": null}), Sink::Text).unwrap_err().to_string();
    for source in [
        "{{ x }}",
        "{% if x %}{% endif %}",
        "{% for a in x %}{% endfor %}",
        "{{ x ~ 'a' }}",
        "{{ x | upper }}",
        "{{ x.y }}",
        "{{ x is number }}",
        "{% set y = x %}",
        "{{ [x] }}",
        "{{ x and 1 }}",
        "{{ not x }}",
        "{{ 'a' | replace('a', x) }}",
        "{{ x | quote }}",
        "{% with y = x %}{% endwith %}",
        "{{ x == 1 }}",
        "{{ 1 if x else 2 }}",
        "{{ x[0] }}",
    ] {
        let error = error(source);
        assert!(error.contains("`x` is not set") && error.contains("line 1"), "{source}: {error}");
    }
    assert!(error("{{ m.a }}").contains("`m.a` is not set"));
    assert!(error("{{ m['a'].b }}").contains("`m.a` is not set"));
    assert!(error("a\n  {{ m.a }}").contains("line 2, column 6"));
    assert!(error("{{ n.a }}").contains("`n.a` is not set"));
}

#[test]
fn faults_name_the_operand() {
    let error =
        |source: &str| run(source, json!({"x": [], "y": "secret"}), Sink::Text).unwrap_err().to_string();
    assert!(error("{{ y + 1 }}").contains("the operator + on `y` needs two numbers"));
    assert!(error("{{ x | upper }}").contains("the filter \"upper\" on `x` needs a string, not a list"));
    assert!(error("{{ x | first }}").contains("`x`"));
    assert!(error("{% for a in y %}{% endfor %}").contains("`y` is a string: a loop needs a list or a map"));
    assert!(error("{% set a, b = y %}").contains("2 names"));
    assert!(!error("{{ y | b64decode }}").contains("secret"));
}

#[test]
fn names_and_paths_are_what_the_template_reads() {
    type Read = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
    let table: [Read; 14] = [
        ("plain", &[], &[], &[]),
        ("{{ svc }} {{ svc }} {{ a }}", &["a", "svc"], &[], &["a", "svc"]),
        (
            "{{ steps.build.stdout | trim }} {{ target.name }}",
            &["steps", "target"],
            &[],
            &["steps.build.stdout", "target.name"],
        ),
        ("{{ steps['build'].json.a[0].b }}", &["steps"], &[], &["steps.build.json.a"]),
        ("{{ steps[x].y }}", &["steps", "x"], &[], &["steps", "x"]),
        ("{% set a = b %}{{ a }}", &["b"], &[], &["b"]),
        ("{{ a }}{% set a = 1 %}", &["a"], &[], &["a"]),
        ("{% for i in xs %}{{ i.a }}{{ loop.index }}{% endfor %}{{ i }}", &["i", "xs"], &[], &["i", "xs"]),
        ("{% if c %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }}", &["c"], &[], &["c"]),
        ("{% if c %}{% set a = 1 %}{% endif %}{{ a }}", &["a", "c"], &[], &["a", "c"]),
        ("{{ a | default('x') }}{{ b }}", &["a", "b"], &["a"], &["a", "b"]),
        ("{% if a is defined %}{{ a }}{% endif %}", &["a"], &["a"], &["a"]),
        ("{{ a.b | default('x') }}{{ c.upper() }}", &["a", "c"], &[], &["a.b", "c"]),
        (
            "{% with a = 1 %}{{ a }}{{ b }}{% endwith %}{{ range(n) | join(s) }}",
            &["b", "n", "s"],
            &[],
            &["b", "n", "s"],
        ),
    ];
    for (source, names, optional, paths) in table {
        let template = compile(source, Sink::Text).unwrap();
        assert_eq!(template.names(), names, "{source}");
        assert_eq!(template.optional_names(), optional, "{source}");
        assert_eq!(template.paths(), paths, "{source}");
        assert_eq!(template.is_literal(), source == "plain", "{source}");
    }
}

#[test]
fn sinks_have_names_and_templates_are_shared() {
    for sink in Sink::ALL {
        assert_eq!(sink.to_string().parse::<Sink>().unwrap(), sink);
        assert_eq!(serde_json::to_value(sink).unwrap(), json!(sink.as_str()));
    }
    assert!("bash".parse::<Sink>().unwrap_err().to_string().contains("powershell"));
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let template = compile("{{ svc }}", Sink::Cmd).unwrap();
    shared(&template);
    assert_eq!(template.sink(), Sink::Cmd);
    assert!(format!("{template:?}").contains("svc"));
}

/// Pieces of templates whose meaning minijinja and we share, to be put in any order.
fn piece() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("s".to_owned()),
        Just("t".to_owned()),
        Just("n".to_owned()),
        Just("'lit'".to_owned()),
        Just("3".to_owned()),
        Just("m.k".to_owned()),
        Just("l[0]".to_owned()),
        Just("true".to_owned()),
        Just("(n + 2)".to_owned()),
        Just("(s ~ n)".to_owned()),
        Just("s[1:3]".to_owned()),
        Just("l | join('-')".to_owned()),
        Just("l | length".to_owned()),
    ];
    let expr = (atom.clone(), atom.clone(), 0..14u8).prop_map(|(a, b, form)| match form {
        0 => format!("({a}) ~ ({b})"),
        1 => format!("({a}) == ({b})"),
        2 => format!("({a}) if ({b}) else 'no'"),
        3 => format!("({a}) and ({b})"),
        4 => format!("({a}) or ({b})"),
        5 => format!("not ({a})"),
        6 => format!("({a}) is string"),
        7 => format!("missing | default({a})"),
        8 => format!("(({a}) ~ '') | upper | replace('A', ({b}) ~ '')"),
        9 => format!("(({a}) ~ ' ') | trim | length"),
        10 => format!("({a}) | string | lower | title"),
        11 => "(n * 7 - 3) // 2 % 5".to_owned(),
        12 => format!("({a}) in [{b}, 3, 'lit']"),
        _ => format!("({a}) != ({b})"),
    });
    let text = prop_oneof![
        Just(" a ".to_owned()),
        Just("\n".to_owned()),
        Just("'\"$".to_owned()),
        Just(String::new())
    ];
    let leaf = prop_oneof![text, expr.clone().prop_map(|expr| format!("{{{{ {expr} }}}}"))];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            (expr.clone(), inner.clone(), inner.clone())
                .prop_map(|(e, a, b)| format!("{{% if {e} %}}{a}{{% else %}}{b}{{% endif %}}")),
            inner.clone().prop_map(|a| format!(
                "{{% for n in l %}}{{{{ loop.index }}}}{a}{{% else %}}none{{% endfor %}}"
            )),
            (expr.clone(), inner.clone()).prop_map(|(e, a)| format!("{{% set s = {e} %}}{a}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{% set s %}}{a}{{% endset %}}{b}")),
            (expr.clone(), inner).prop_map(|(e, a)| format!("{{% with t = {e} %}}{a}{{% endwith %}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn templates_mean_what_minijinja_says(source in piece(), s in "[a-z{% '\"]{0,6}", t in "[A-Z ]{0,3}", n in -9i64..99) {
        let values = json!({"s": s, "t": t, "n": n, "m": {"k": "v"}, "l": ["x", 4, "y"]});
        let mut environment = minijinja::Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let theirs = environment.render_str(&source, minijinja::value::Serde(&values));
        let ours = run(&source, values, Sink::Text);
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => prop_assert_eq!(ours, theirs, "{}", source),
            (Err(_), Err(_)) => {}
            (theirs, ours) => prop_assert!(false, "{}: {:?} and {:?}", source, theirs, ours),
        }
    }

    #[test]
    fn nothing_panics(source in "([{]{2} ?|[{]% ?|[a-z'\"|.() ,0-9+~=-]|[}]{2}|%[}]|if |for |set |endif|endfor|in |not |\\$|\n){0,40}") {
        for sink in Sink::ALL {
            let _ = run(&source, json!({"a": "x", "b": [1]}), sink);
        }
    }
}
