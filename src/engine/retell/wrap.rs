//! Words of ours towards an agent CLI, which has no field that says whose they are.
//!
//! The wrapping is for the model that reads them. Nothing in provost ever looks for it to decide whose a text is.

/// The name of the mark.
pub(super) const NOTE: &str = "provost-note";

/// Wraps words once; wrapped ones stay as they are, and marks within them go.
pub(crate) fn wrap(words: &str) -> String {
    format!("<{NOTE}>\n{}\n</{NOTE}>", unwrap(words))
}

/// The words without any wrapping, with the blanks at both ends gone.
pub(crate) fn unwrap(words: &str) -> String {
    without(words, &[NOTE]).trim().to_owned()
}

/// Text without the opening and closing tags of these names, however they are spaced and cased.
pub(super) fn without(text: &str, names: &[&str]) -> String {
    let mut text = text.to_owned();
    loop {
        let kept = once_without(&text, names);
        // What is left on both sides of a tag may make a new one.
        if kept.len() == text.len() {
            return kept;
        }
        text = kept;
    }
}

fn once_without(text: &str, names: &[&str]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        kept.push_str(before);
        if let Some(length) = names.iter().find_map(|name| tag_length(tag, name)) {
            rest = &tag[length..];
        } else {
            kept.push('<');
            rest = &tag[1..];
        }
    }
    kept.push_str(rest);
    kept
}

/// The length of a tag of that name at the beginning of `text`.
fn tag_length(text: &str, name: &str) -> Option<usize> {
    let rest = text.strip_prefix('<')?.trim_start();
    let rest = rest.strip_prefix('/').unwrap_or(rest).trim_start();
    let (head, tail) = rest.split_at_checked(name.len())?;
    let tail = tail.trim_start().strip_prefix('>')?;
    head.eq_ignore_ascii_case(name).then_some(text.len() - tail.len())
}
