//! What is wrong with a profile, shown where it was written.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::layer::Layer;
use super::tree::Origin;

/// One mistake: what, where, and what to do about it.
#[derive(Clone, Debug)]
pub(super) struct Diagnostic {
    pub(super) title: String,
    /// Absent when there is no text to point at: the file itself could not be read.
    pub(super) origin: Option<Origin>,
    /// What stands under the caret.
    pub(super) label: String,
    pub(super) help: Option<String>,
}

impl Diagnostic {
    pub(super) fn new(title: impl Into<String>, origin: Origin, label: impl Into<String>) -> Self {
        Self { title: title.into(), origin: Some(origin), label: label.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn group<'a>(&'a self, layers: &'a [Layer]) -> Group<'a> {
        let mut group = match self.origin.as_ref().and_then(|o| Some((layers.get(o.layer)?, &o.span))) {
            Some((layer, span)) => Level::ERROR.primary_title(&*self.title).element(
                Snippet::source(&*layer.text)
                    .path(&*layer.name)
                    .annotation(AnnotationKind::Primary.span(shown(&layer.text, span)).label(&*self.label)),
            ),
            None => Group::with_title(Level::ERROR.primary_title(&*self.title)),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(&**help));
        }
        group
    }
}

/// The part of a span that is underlined: within the text, between characters, and not beyond its first line.
fn shown(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.floor_char_boundary(span.end.min(text.len())).max(start);
    let line = text[start..end].lines().next().map_or(0, str::len);
    start..start + line
}

/// Everything that is wrong with a profile.
#[derive(Clone, Debug)]
pub struct ProfileError {
    problems: Vec<Diagnostic>,
    layers: Vec<Layer>,
    missing_file: bool,
}

impl ProfileError {
    pub(super) fn new(mut problems: Vec<Diagnostic>, layers: &[Layer]) -> Self {
        // In the order in which a reader of the files meets them.
        problems.sort_by_key(|p| p.origin.as_ref().map(|o| (o.layer, o.span.start)));
        Self { problems, layers: layers.to_vec(), missing_file: false }
    }

    pub(super) fn missing(problem: Diagnostic) -> Self {
        Self { problems: vec![problem], layers: Vec::new(), missing_file: true }
    }

    /// Whether the profile itself, and not a file that it names, is not there.
    pub fn is_missing_file(&self) -> bool {
        self.missing_file
    }

    /// The mistakes without their places, one a line's worth each.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|problem| &*problem.title)
    }

    /// Every mistake with its file, line, column, caret and remedy.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let messages: Vec<String> =
            self.problems.iter().map(|problem| renderer.render(&[problem.group(&self.layers)])).collect();
        messages.join("\n\n")
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ProfileError {}
