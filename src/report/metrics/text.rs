//! The Prometheus text format, version 0.0.4.

use std::fmt::Write as _;

/// What a number means over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Writes all samples of one metric; nothing when there are none.
pub(super) fn family(
    out: &mut String,
    name: &str,
    kind: Type,
    about: &str,
    samples: impl IntoIterator<Item = (Vec<(String, String)>, f64)>,
) {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return;
    }
    let kind = match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
    };
    let _ = writeln!(
        out,
        "# HELP {name} {}\n# TYPE {name} {kind}",
        about.replace('\\', "\\\\").replace('\n', "\\n")
    );
    for (labels, value) in samples {
        out.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let _ = write!(out, "{}{label}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(text));
        }
        if !labels.is_empty() {
            out.push('}');
        }
        let _ = writeln!(out, " {}", number(value));
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// A label name of a text: `label_` and the text with `_` for what no name may have. Different texts may come to the same.
pub(super) fn label_name(text: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("label_{}", text.chars().map(valid).collect::<String>())
}
