//! The list of defenses that `peek --defenses` prints.

use super::human::Look;
use super::human::style::{self, Ink};

/// A defense, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefenseRow {
    /// Its name.
    pub name: String,
    /// The word for how it stands: `active`, `off`, `tripped`, `degraded`.
    pub state: String,
    /// What it is set to, or what it has counted.
    pub value: String,
    /// What happened where it was missing.
    pub incident: String,
}

/// Two lines each: how it stands, and what it stands for.
pub fn defenses(rows: &[DefenseRow], colour: bool, width: usize) -> String {
    let look = Look { colour, unicode: false };
    let column = rows.iter().map(|row| console::measure_text_width(&row.name)).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let ink = match row.state.as_str() {
            "active" => Ink::Plain,
            "off" => Ink::Faint,
            "degraded" => Ink::Warn,
            _ => Ink::Bad,
        };
        let head = format!(
            "{}  {:<8}  {}",
            style::cell(&row.name, column, look),
            row.state,
            style::clean(&row.value)
        );
        for (ink, line) in [(ink, head), (Ink::Faint, format!("  {}", row.incident))] {
            text.push_str(&look.paint(ink, &style::fit(line.trim_end(), width, look)));
            text.push('\n');
        }
    }
    text
}
