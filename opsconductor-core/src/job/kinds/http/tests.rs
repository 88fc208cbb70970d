#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "literals are handed over")]

use serde_json::{Map, Value, json};

use super::{HttpRequest, compose};
use crate::{
    Result,
    job::{JobSpec, StepHandler as _, StepKinds, StepTemplates},
    template::TemplateOptions,
    transport::HttpCall,
};

/// Values that would break out of where they are put, if anything could.
const HOSTILE: [&str; 14] = [
    "a\r\nX-Evil: 1",
    "\r\n\r\nGET /evil HTTP/1.1",
    "../../admin",
    "..%2f..%2fadmin",
    "?admin=1&x=#y",
    "//evil.example/",
    "http://evil.example/",
    "@evil.example",
    "\", \"admin\": true, \"x\": \"",
    "\\u0022",
    "{{ 7 * 7 }}",
    "a+b c%20d",
    "größe 🙂",
    "\0",
];

fn fields(step: &Value) -> Map<String, Value> {
    step.as_object().unwrap().clone()
}

fn render(step: &Value, value: &str) -> Result<HttpCall> {
    let fields = fields(step);
    let templates = StepTemplates::compile(&HttpRequest, &fields, TemplateOptions::default()).unwrap();
    let values = fields_of(value);
    compose::call(&templates.render(&fields, &values)?)
}

fn fields_of(value: &str) -> Map<String, Value> {
    fields(&json!({"x": value, "n": 3}))
}

fn problems(members: Value) -> Vec<String> {
    let mut step = json!({"type": "http.request", "target": "api"});
    step.as_object_mut().unwrap().extend(fields(&members));
    let job = json!({"name": "j", "version": 1, "steps": [step]});
    match JobSpec::from_value(job).validate(&StepKinds::built_in()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

/// As a server decodes a component.
fn decoded(component: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = component.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_member_fits_the_schema() {
    let step = json!({
        "method": "POST", "path": "/a/{{ x | quote }}?y={{ x | quote }}", "query": {"q": ["{{ x }}", 1, true]},
        "headers": {"X-Trace": "{{ x }}"}, "json": {"a": ["{{ x }}", 1, null]}, "expectStatus": ["2xx", 404],
        "assert": [{"path": "$.a", "equals": {"b": "{{ x }}"}}, {"header": "ETag", "exists": true}],
        "followRedirects": 3
    });
    assert_eq!(problems(step), Vec::<String>::new());
    for more in [
        json!({}),
        json!({"json": "{\"n\": {{ n }}, \"x\": {{ x | quote }}}"}),
        json!({"form": {"a": "{{ x }}"}}),
        json!({"body": "{{ x }}", "method": "PUT", "followRedirects": true, "expectStatus": 204}),
    ] {
        assert_eq!(problems(more), Vec::<String>::new());
    }
}

#[test]
fn what_does_not_hold_is_named_with_its_place() {
    for (step, said) in [
        (json!({"method": "get"}), "/steps/0/method: "),
        (json!({"path": "users"}), "/steps/0/path: must begin with `/`"),
        (json!({"path": "//evil.example/"}), "/steps/0/path: must not begin with `//`"),
        (json!({"path": "/a#b"}), "/steps/0/path: must not hold `#`"),
        (json!({"path": "/{{ x"}), "/steps/0/path: "),
        (json!({"headers": {"Host": "evil"}}), "/steps/0/headers/Host: `Host` is set by the engine"),
        (json!({"headers": {"transfer-encoding": "x"}}), "/steps/0/headers/transfer-encoding: "),
        (json!({"headers": {"X-A": "1", "x-a": "2"}}), "/steps/0/headers/x-a: `x-a` and `X-A` are the same"),
        (json!({"headers": {"X A": "1"}}), "/steps/0/headers/X A: a header is named"),
        (json!({"json": {}, "body": "x"}), "/steps/0: `json` and `body` exclude each other"),
        (json!({"form": {"a": {}}}), "/steps/0/form/a: must be a text"),
        (json!({"expectStatus": "200"}), "/steps/0/expectStatus: must be a status"),
        (json!({"expectStatus": []}), "/steps/0/expectStatus: "),
        (json!({"followRedirects": 11}), "/steps/0/followRedirects: must be between 1 and 10"),
        (json!({"assert": [{"path": "$.a"}]}), "/steps/0/assert/0: "),
        (json!({"assert": [{"path": "$.a", "equals": 1, "exists": true}]}), "/steps/0/assert/0: "),
        (
            json!({"assert": [{"path": "$.a", "header": "b", "equals": 1}]}),
            "/steps/0/assert/0: `path` and `header`",
        ),
        (json!({"assert": [{"path": "a", "equals": 1}]}), "/steps/0/assert/0/path: must begin with `$`"),
        (json!({"assert": [{"path": "$.a", "equal": 1}]}), "/steps/0/assert/0"),
        (json!({"json": "{\"a\": \"{{ x | quote }}\"}"}), "/steps/0/json: "),
    ] {
        let found = problems(step.clone());
        assert!(found.iter().any(|problem| problem.starts_with(said)), "{step}: {found:?}");
    }
}

#[test]
fn no_value_leaves_its_place_in_a_url() {
    for hostile in HOSTILE {
        let step = json!({"path": "/a/{{ x | quote }}/b", "query": {"q": "{{ x }}", "r&s": "1"}});
        let call = render(&step, hostile).unwrap();
        assert!(call.path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", call.path);
        let (path, query) = call.path.split_once('?').unwrap();
        let segments: Vec<_> = path.split('/').collect();
        assert_eq!(segments.len(), 4, "{path}");
        assert_eq!(decoded(segments[2]), hostile);
        let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        assert_eq!(decoded(pairs[0].1), hostile);
        assert_eq!((decoded(pairs[1].0).as_str(), pairs.len()), ("r&s", 2));
        assert!(render(&json!({"path": "/a/{{ x }}"}), hostile).is_err(), "{hostile:?} is not plain");
    }
    assert!(render(&json!({"path": "/a/{{ x | quote }}"}), "..").is_err(), "dots climb even when encoded");
    assert!(render(&json!({"path": "{{ x }}/a"}), "evil").is_err(), "a path begins with `/`");
    assert_eq!(render(&json!({"path": "/ü b/{id}"}), "").unwrap().path, "/%C3%BC%20b/%7Bid%7D");
    assert_eq!(render(&json!({"path": "?a=1", "query": {"b": 2}}), "").unwrap().path, "?a=1&b=2");
}

#[test]
fn no_value_leaves_its_place_in_a_body() {
    for hostile in HOSTILE {
        let call = render(&json!({"json": {"a": {"b": ["{{ x }}"]}, "n": 1}}), hostile).unwrap();
        let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
        assert_eq!(body, json!({"a": {"b": [hostile]}, "n": 1}));

        let text = r#"{"a": {{ x | quote }}, "n": {{ n }}}"#;
        let call = render(&json!({"json": text}), hostile).unwrap();
        let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
        assert_eq!(body, json!({"a": hostile, "n": 3}));

        let call = render(&json!({"form": {"a=b": "{{ x }}", "n": [1, 2]}}), hostile).unwrap();
        let body = String::from_utf8(call.body.unwrap().to_vec()).unwrap();
        let pairs: Vec<_> = body.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        assert_eq!((decoded(pairs[0].0).as_str(), decoded(pairs[0].1).as_str()), ("a=b", hostile));
        assert_eq!(pairs[1..], [("n", "1"), ("n", "2")]);
    }
    let error = render(&json!({"json": "[{{ x }}, oops]"}), "7").unwrap_err();
    assert!(error.to_string().contains("is not JSON, at line 1 column"), "{error}");
}

#[test]
fn the_type_of_a_body_is_said_unless_the_step_says_it() {
    let kind = |step: Value| {
        let call = render(&step, "v").unwrap();
        call.headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    assert_eq!(kind(json!({"json": []})), ["Content-Type: application/json"]);
    assert_eq!(kind(json!({"form": {}})), ["Content-Type: application/x-www-form-urlencoded"]);
    assert_eq!(kind(json!({"body": ""})), ["Content-Type: text/plain; charset=utf-8"]);
    assert_eq!(
        kind(json!({"body": "<a/>", "headers": {"content-type": "text/xml"}})),
        ["content-type: text/xml"]
    );
    assert_eq!(kind(json!({"headers": {"X-A": "{{ x }}"}})), ["X-A: v"]);
}

#[test]
fn the_templates_of_a_step_are_all_found() {
    let step = json!({
        "path": "/{{ x }}", "query": {"a/b": ["{{ x }}"]}, "headers": {"H": "{{ x }}"},
        "json": {"k": [{"deep": "{{ x }}"}]}, "assert": [{"equals": {"v": "{{ x }}"}, "matches": "a{2}"}]
    });
    let found: Vec<_> =
        HttpRequest.templates(&fields(&step)).into_iter().map(|field| field.pointer).collect();
    assert_eq!(found, ["/path", "/query/a~1b/0", "/headers/H", "/json/k/0/deep", "/assert/0/equals/v"]);
}
