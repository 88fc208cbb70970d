//! What the text around a placeholder allows.

use super::*;

/// `Q` stands for `{{ x | quote }}` and `P` for `{{ x }}`.
fn source(short: &str) -> String {
    short.replace('Q', "{{ x | quote }}").replace('P', "{{ x }}")
}

fn accepted(sink: Sink, shorts: &[&str]) {
    for short in shorts {
        if let Err(error) = compile(&source(short), sink) {
            panic!("{sink}: {short}: {error}");
        }
    }
}

fn rejected(sink: Sink, shorts: &[&str]) {
    for short in shorts {
        let error = compile_error(&source(short), sink);
        assert!(error.contains("line "), "{short}: {error}");
    }
}

#[test]
fn powershell_quotes_where_a_literal_may_begin() {
    accepted(
        Sink::PowerShell,
        &[
            "Q",
            "Get-Service Q",
            "Get-Service -Name Q; Stop-Service Q",
            "$x = Q",
            "$x = 'a'; Q",
            "f 'it''s' Q",
            "f \"a`\"b\" Q",
            "f \"a\"\"b\" Q",
            "f (g Q)",
            "@{ a = Q }",
            "f # it's\nQ",
            "f <# it's ' #> Q",
            "$h = @'\nit's\n'@\nQ",
            "$h = @\"\nit's \"\n\"@; Q",
            "f ${it's} Q",
            "f \"$(g 'x')\" Q",
            "f \"$(g \"x\")\" Q",
            "f \"${x}\" Q",
            "f `' Q",
            "f Q 'a'",
            "f a\u{201C}it's\u{201D} Q",
            "f \u{2018}a\u{2019} Q",
            "f Q; g Q",
            "$a[Q]",
            "f Q,Q",
            "f -Name:Q",
            "f \"a\"Q",
            "f C#5\nQ",
            "f \"$a$(g 'x')\" Q",
            "f $x 'a' Q",
            "f a`\nQ",
            "f\r\nQ",
            "# c\r\nQ",
        ],
    );
}

#[test]
fn powershell_refuses_quoting_inside_literals_and_comments() {
    rejected(
        Sink::PowerShell,
        &[
            "'Q'",
            "'a Q b'",
            "\"Q\"",
            "\"$(f Q)\"",
            "\"$(f 'Q')\"",
            "# Q",
            "f # Q",
            "<# Q #>",
            "@'\nQ\n'@",
            "@\"\nQ\n\"@",
            "'it''s Q'",
            "\"a`\" Q\"",
            "\"a\"\" Q\"",
            "\u{2018}Q\u{2019}",
            "\u{201C}Q\u{201D}",
            "'a\u{2019}\u{2019}Q'",
            "@'\n 'Q",
            "@\"\n\"\"Q",
            "'a'Q",
            "Q'a'",
            "QQ",
            "Q{% if x %}Q{% endif %}",
            "{% for y in [1, 2] %}Q{% endfor %}",
            "f C#5 Q",
            "f --% Q",
            "f $x#Q",
            "f ) Q",
            "f $$ Q",
            "f \u{2018}a'Q",
            "f Q\u{2019}",
            "<# #Q",
            "\"a\r 'Q",
            "@'\nP'@\nQ",
            "<# #P>\nQ",
        ],
    );
}

#[test]
fn powershell_refuses_values_that_would_change_the_text_around_them() {
    rejected(
        Sink::PowerShell,
        &[
            "$P", "${P}", "${a P}", "$aP", "$env:P", "\"$P\"", "\"$aP\"", "\"`P\"", "`P", "@P", "@'P\n'@",
            "f P> a", "f P>a", "f P<a",
        ],
    );
    accepted(
        Sink::PowerShell,
        &[
            "f P",
            "'P'",
            "\"P\"",
            "\"$(f P)\"",
            "# P",
            "f 'a P b'",
            "$a.P",
            "\"${a}P\"",
            "\"$a P\"",
            "f user@P",
            "f a-P",
            "f PP",
            "@'\nP\n'@",
            "@\"\nP\n\"@",
            "f P > a",
            "\"$a.P\"",
            "f P'a'",
            "[P]::new()",
        ],
    );
}

#[test]
fn sh_quotes_where_a_literal_may_begin() {
    accepted(
        Sink::Sh,
        &[
            "Q",
            "ls Q",
            "a=Q",
            "a='x' ls Q",
            "ls 'a'Q'b'",
            "ls QQ",
            "ls \"a\\\"b\" Q",
            "ls \\' Q",
            "ls # it's\nQ",
            "a=$(ls Q)",
            "ls a#it Q",
            "(cd Q && ls)",
            "ls > Q",
            "cat <<EOF\nit's\nEOF\nls Q",
            "cat <<-'E_1'\n\tit's\n\tE_1\nls Q",
            "case Q in a) ls Q;; esac",
            "ls ${x#a} Q",
            "ls \"$(ls 'a')\" Q",
            "ls $# Q",
            "if true; then ls Q; fi",
            "ls \"${x}\" Q",
            "x=\"$a$(ls 'a')\" Q",
            "{% for y in [1] %}{{ y | quote }} {% endfor %}",
            "ls \\\n Q",
            "echo $$ Q",
        ],
    );
}

#[test]
fn sh_refuses_quoting_inside_literals_and_where_shells_differ() {
    rejected(
        Sink::Sh,
        &[
            "'Q'",
            "\"Q\"",
            "\"$(ls Q)\"",
            "# Q",
            "ls # Q",
            "cat <<EOF\nQ\nEOF",
            "cat <<EOF Q",
            "`ls Q`",
            "ls `ls` Q",
            "$'a' Q",
            "$((1 + Q))",
            "${x:-'a'} Q",
            "${xQ",
            "\"a\\\"Q\"",
            "$(case a in a) ls Q;; esac)",
            "\"$(case a in a) ls \"Q\";; esac)\"",
            "echo a \\\n# it's\n ' Q '",
            "cat <<EOF'x'\nEOF\nQ",
            "cat << -EOF\n-EOF\nQ",
            "cat <<<a Q",
            "cat <<A <<B\nA\nB\nQ",
            "cat <<EOF\na\\\nEOF\nQ",
            "(cat <<EOF\n)\nEOF\nQ",
            "((1)) Q",
            "cat <<'EOF\n' Q",
        ],
    );
}

#[test]
fn sh_refuses_values_that_would_change_the_text_around_them() {
    rejected(
        Sink::Sh,
        &[
            "$P",
            "${P}",
            "$aP",
            "\"$P\"",
            "\"$aP\"",
            "\\P",
            "\"\\P\"",
            "cat <<P\nP",
            "cat <<EOF\nP\nEOF\n",
            "cat <<EOF\nPF\nEOF\n",
            "cat <<EOF\nEP\nEOF\n",
            "cat <<-EOF\n\tP\nEOF\n",
            "cat <<EOF\n\\P x\nEOF\n",
            "cat <<EOF\n$aP x\nEOF\n",
            "ls P>a",
            "ls P<a",
        ],
    );
    accepted(
        Sink::Sh,
        &[
            "ls P",
            "'P'",
            "\"P\"",
            "# P",
            "cat <<EOF\na=P\nEOF\n",
            "cat <<EOF\nP x\nEOF\n",
            "cat <<EOF\nP.\nEOF\n",
            "ls P > a",
            "\"${a}P\"",
            "`ls P`",
            "ls /tmp/P.txt",
            "cat <<'EOF'\n$aP x\nEOF\n",
        ],
    );
}

#[test]
fn cmd_json_and_url_places() {
    accepted(
        Sink::Cmd,
        &[
            "echo Q",
            "copy \"a b\" Q",
            "echo \"P\"",
            "echo ^\" Q",
            "echo \"a\nQ",
            "echo \"^\" Q",
            "type C:\\P.txt",
        ],
    );
    rejected(Sink::Cmd, &["\"Q\"", "^P", "%P%", "!P!", "\"a\"Q", "Q\"a\"", "QQ", "echo P>a", "echo \"a^\"Q"]);
    accepted(
        Sink::Json,
        &[
            "{\"a\": Q, \"b\": [P]}",
            "{\"P\": 1}",
            "{\"a\": \"x P\"}",
            "[\"a\\\\P\"]",
            "[\"\\u0041P\"]",
            "[\"a\\\"P\"]",
        ],
    );
    rejected(
        Sink::Json,
        &["\"Q\"", "\"\\P\"", "\"\\u00P\"", "1P", "PP", "P1", "\"a\"P", "P\"a\"", "-P", "[\"a\\\\\\P\"]"],
    );
    accepted(
        Sink::Url,
        &["https://h/Q", "https://h?a=Q", "https://h#Q", "/a/Q", "https://P:443/", "a?b=Q", "https://h/QQ"],
    );
    rejected(
        Sink::Url,
        &["Q", "https://Q/", "https://user:Q@h/", "//Q/a", "https://h/%Q", "https://h/%2P", "https:\\\\Q"],
    );
}

#[test]
fn branches_and_loops_leave_literals_as_they_found_them() {
    for sink in [Sink::PowerShell, Sink::Sh] {
        rejected(
            sink,
            &[
                "{% if x %}'{% endif %}",
                "{% if x %}'{% else %}\"{% endif %}",
                "{% for y in x %}'{% endfor %}",
                "a {% if x %}(b{% endif %} c",
                "{% if x %}# {% endif %}a",
                "{% for y in x %}a{% else %}'{% endfor %}",
                "{% if x %}'a{% elif y %}'b{% endif %}'",
            ],
        );
        accepted(
            sink,
            &[
                "{% if x %}'a'{% endif %} Q",
                "{% if x %}'a{% else %}'b{% endif %}'",
                "f {% for y in x %}'a' {% endfor %} Q",
                "{% if x %}a{% elif y %}b{% else %}c{% endif %} Q",
                "f{% for y in x %} {{ y | quote }}{% endfor %}",
                "'{% if x %}a{% endif %}'",
                "{% if x %}a # b\n{% endif %} Q",
                "{% set y %}'{% endset %}f Q",
                "{% raw %}'a'{% endraw %} Q",
                "{# it's #}f Q",
            ],
        );
        let error = compile_error("a\n{% if x %}'{% endif %}", sink);
        assert!(error.contains("line 2") && error.contains("branches of the if"), "{error}");
    }
    rejected(
        Sink::PowerShell,
        &["f {% if x %}'a'{% endif %}Q", "f {% if x %}Q{% endif %}'a'", "$a{% if x %} {% endif %}P"],
    );
}

#[test]
fn quote_covers_the_whole_placeholder() {
    for inside in ["x | quote | upper", "(x | quote) ~ y", "x if y else z | quote", "(x | raw) ~ y"] {
        let error = compile_error(&format!("f {{{{ {inside} }}}}"), Sink::Sh);
        assert!(error.contains("must be the last"), "{inside}: {error}");
    }
    assert!(compile_error("{% set y %}{{ x | quote }}{% endset %}", Sink::Sh).contains("{% set %}"));
    assert!(compile("f {{ (x if y else z) | quote }}", Sink::Sh).is_ok());
    assert!(compile_error("f {{ x | quote(1) }}", Sink::Sh).contains("no arguments"));
    assert!(compile_error("https://h/{{ x | urlencode }}", Sink::Url).contains("| quote"));
}
