//! What is wrong with a file that is imported, shown where it was written.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake: what, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) title: String,
    pub(super) span: Range<usize>,
    /// What stands under the caret.
    pub(super) label: String,
    pub(super) help: String,
}

impl Problem {
    pub(super) fn new(
        title: impl Into<String>,
        span: Range<usize>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { title: title.into(), span, label: label.into(), help: help.into() }
    }
}

/// Every mistake with its file, line, column, caret and remedy, in the order of the file.
pub(super) fn render(mut problems: Vec<Problem>, name: &str, text: &str, colour: bool) -> String {
    problems.sort_by_key(|problem| problem.span.start);
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let shown = |problem: &Problem| {
        let start = text.floor_char_boundary(problem.span.start.min(text.len()));
        let end = text.floor_char_boundary(problem.span.end.min(text.len())).max(start);
        // What goes over several lines is underlined on its first.
        let line = text.get(start..end).and_then(|part| part.lines().next()).map_or(0, str::len);
        let annotation = AnnotationKind::Primary.span(start..start + line).label(problem.label.as_str());
        let group = Level::ERROR
            .primary_title(problem.title.as_str())
            .element(Snippet::source(text).path(name).annotation(annotation))
            .element(Level::HELP.message(problem.help.as_str()));
        renderer.render(&[group])
    };
    problems.iter().map(shown).collect::<Vec<_>>().join("\n\n")
}
