//! From a case to a text.

use serde_json::json;

use super::*;

fn case(json: serde_json::Value) -> Case {
    Case::from_json(json).unwrap()
}

fn rendered(template: &str, case: &Case) -> String {
    Template::new(template).unwrap().render(case).unwrap()
}

#[test]
fn every_field_has_its_name() {
    let case = case(json!({
        "id": 7, "input": "What is {{ x }}?", "expected": 4.5, "tags": ["a", "b"], "city": "Łódź", "meta": {"deep": [1, 2]},
    }));
    let rows = [
        ("{{ input }}", "What is {{ x }}?"),
        ("{{ id }}: {{ city }}", "7: Łódź"),
        ("{{ expected }}", "4.5"),
        ("{{ meta.deep[1] }}", "2"),
        ("{{ tags | join(', ') }}", "a, b"),
        ("{% for tag in tags %}<{{ tag }}>{% endfor %}", "<a><b>"),
        ("{{ missing | default('x') }}", "x"),
        ("no name\nat all", "no name\nat all"),
        ("one line end goes\n\n", "one line end goes\n"),
        ("{{ input }} & <b>", "What is {{ x }}? & <b>"),
    ];
    for (template, text) in rows {
        assert_eq!(rendered(template, &case), text, "{template}");
    }
}

#[test]
fn messages_are_a_text_and_a_list() {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]);
    let both = case(json!({ "id": "a", "input": messages }));
    assert_eq!(rendered("{{ input }}", &both), "system: Be brief.\n\nuser: Hi");
    assert_eq!(rendered("{{ input[1].content }}", &both), "Hi");
    assert_eq!(rendered("{% for m in input %}{{ m.role }} {% endfor %}", &both), "system user ");
    assert_eq!(rendered("{{ input | length }}", &both), "2");
    let one = case(json!({ "id": "a", "input": [{"role": "user", "content": "Hi"}] }));
    assert_eq!(rendered("{{ input }}", &one), "Hi", "a single question needs no role");
}

#[test]
fn an_undefined_name_is_an_error() {
    let case = case(json!({ "id": "a", "input": "x", "question": "y", "meta": {"a": 1} }));
    let rows = [
        ("{{ qestion }}", "the case has no field `qestion`; did you mean `question`?"),
        (
            "a\nb {{ input }}\n{{ zzz }}",
            "the case has no field `zzz` in line 3 of the template; add it to the case, or write `{{ zzz | default(\"\") }}`",
        ),
        (
            "{{ meta.b }}",
            "the case has no field `meta.b`; add it to the case, or write `{{ meta.b | default(\"\") }}`",
        ),
        (
            "{% if zzz %}{% endif %}",
            "the case has no field `zzz`; add it to the case, or write `{{ zzz | default(\"\") }}`",
        ),
        (
            "{% for i in range(2) %}{{ zz }}{% endfor %}",
            "the case has no field `zz`; add it to the case, or write `{{ zz | default(\"\") }}`",
        ),
    ];
    for (template, said) in rows {
        let error = Template::new(template).unwrap().render(&case).unwrap_err();
        assert_eq!(error.to_string(), said, "{template}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_at_once() {
    for template in ["{{ input", "{% if %}", "{{ input | }}", "{% endfor %}", "a\n{{ }}"] {
        let error = Template::new(template).unwrap_err();
        assert!(error.to_string().starts_with("syntax error"), "{template}: {error}");
    }
    assert_eq!(Template::new("a\n{{ }}").unwrap_err().line, Some(2));
}

#[test]
fn none_alone_is_no_text() {
    let template = Template::new(" {{ expected | default(none) }}\n").unwrap();
    let with = case(json!({ "id": "a", "input": "x", "expected": "4" }));
    let without = case(json!({ "id": "a", "input": "x" }));
    let null = case(json!({ "id": "a", "input": "x", "expected": null }));
    let empty = case(json!({ "id": "a", "input": "x", "expected": "" }));
    assert_eq!(template.optional(&with), Ok(Some(" 4".to_owned())));
    assert_eq!(template.optional(&without), Ok(None));
    assert_eq!(template.optional(&null), Ok(None), "null is none, not a text");
    assert_eq!(template.optional(&empty), Ok(Some(" ".to_owned())), "an empty text is expected");
    assert_eq!(template.render(&without).unwrap(), " none");
    let beside = Template::new("it is {{ expected | default(none) }}").unwrap();
    assert_eq!(beside.optional(&without), Ok(Some("it is none".to_owned())));
    let strict = Template::new("{{ expected }}").unwrap();
    assert!(strict.optional(&without).is_err(), "absent is no none");
    assert_eq!(strict.optional(&null), Ok(None));
}

#[test]
fn further_fields_win() {
    let case = case(json!({ "id": "a", "input": "x" }));
    let template = Template::new("{{ input }}/{{ output }}").unwrap();
    assert_eq!(template.render_with(&case, &[("output", "o")]).unwrap(), "x/o");
    assert_eq!(template.render_with(&case, &[("output", "o"), ("input", "i")]).unwrap(), "i/o");
    assert_eq!(template.names(), ["input", "output"]);
}
