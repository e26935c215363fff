//! A drawing in SVG: x in percent of its width, y in pixels. So it fits every width, and its words keep their size.
//! Colours are classes of the page's style sheet, and so follow light and dark.

use std::fmt::Write as _;

/// A drawing that grows.
pub(super) struct Svg {
    text: String,
}

/// Which end of a word is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// Begins a drawing of `height` pixels; `said` is what it shows, for those who do not see it.
    pub(super) fn new(height: f64, said: &str) -> Self {
        let said = escape(said);
        let text = format!(r#"<svg width="100%" height="{height:.0}" role="img" aria-label="{said}">"#);
        Self { text }
    }

    /// A line.
    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(format_args!(
            r#"<line class="{class}" x1="{x1:.2}%" y1="{y1:.1}" x2="{x2:.2}%" y2="{y2:.1}"/>"#
        ));
    }

    /// A rectangle: its left and upper edge, its width and height.
    pub(super) fn bar(&mut self, class: &str, corner: (f64, f64), size: (f64, f64)) {
        let ((x, y), (width, height)) = (corner, (size.0.max(0.0), size.1.max(0.0)));
        self.push(format_args!(
            r#"<rect class="{class}" x="{x:.3}%" y="{y:.1}" width="{width:.3}%" height="{height:.1}"/>"#
        ));
    }

    /// A dot; `case` is the case that a click on it opens, and `title` is shown on hover.
    pub(super) fn dot(&mut self, class: &str, centre: (f64, f64), radius: f64, about: Option<(usize, &str)>) {
        let (x, y) = centre;
        match about {
            None => {
                self.push(format_args!(r#"<circle class="{class}" cx="{x:.2}%" cy="{y:.1}" r="{radius}"/>"#));
            }
            Some((case, title)) => {
                let title = escape(title);
                self.push(format_args!(
                    r#"<circle class="{class}" cx="{x:.2}%" cy="{y:.1}" r="{radius}" data-case="{case}"><title>{title}</title></circle>"#
                ));
            }
        }
    }

    /// The same for a bar.
    pub(super) fn bar_of(&mut self, class: &str, corner: (f64, f64), size: (f64, f64), about: (usize, &str)) {
        let ((x, y), (width, height), (case, title)) = (corner, (size.0.max(0.0), size.1.max(0.0)), about);
        let title = escape(title);
        self.push(format_args!(
            r#"<rect class="{class}" x="{x:.3}%" y="{y:.1}" width="{width:.3}%" height="{height:.1}" data-case="{case}"><title>{title}</title></rect>"#
        ));
    }

    /// A word, `shift` pixels beside its place.
    pub(super) fn word(&mut self, class: &str, at: (f64, f64), shift: f64, anchor: Anchor, word: &str) {
        let (x, y) = at;
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let word = escape(word);
        self.push(format_args!(
            r#"<text class="{class}" x="{x:.2}%" y="{y:.1}" dx="{shift:.0}" text-anchor="{anchor}">{word}</text>"#
        ));
    }

    /// The whole drawing.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
    }

    fn push(&mut self, part: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = self.text.write_fmt(part);
    }
}

/// Foreign text as text of an element or of an attribute in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_escaped() {
        let mut svg = Svg::new(20.0, "a \"b\" <c>");
        svg.word("w", (50.0, 4.0), -3.0, Anchor::End, "</text><script>");
        svg.dot("d", (1.0, 2.0), 3.5, Some((7, "it's & \"so\"")));
        svg.bar("b", (1.0, 2.0), (-3.0, 4.0));
        let drawn = svg.finish();
        assert_eq!(
            drawn,
            concat!(
                r#"<svg width="100%" height="20" role="img" aria-label="a &quot;b&quot; &lt;c&gt;">"#,
                r#"<text class="w" x="50.00%" y="4.0" dx="-3" text-anchor="end">&lt;/text&gt;&lt;script&gt;</text>"#,
                r#"<circle class="d" cx="1.00%" cy="2.0" r="3.5" data-case="7"><title>it&#39;s &amp; &quot;so&quot;</title></circle>"#,
                r#"<rect class="b" x="1.000%" y="2.0" width="0.000%" height="4.0"/></svg>"#,
            )
        );
    }
}
