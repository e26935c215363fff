//! The list of open alerts that `peek --alerts` prints.

use jiff::Timestamp;

use super::human::Look;
use super::human::style;
use crate::event::OpenAlert;

/// An alert of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// The run.
    pub run: String,
    /// What is wrong with it.
    pub alert: OpenAlert,
}

/// One line each, in the order given; one that says so when there is none.
pub fn alerts(rows: &[AlertRow], now: Timestamp, colour: bool, width: usize) -> String {
    let look = Look { colour, unicode: false };
    let mut text = String::new();
    for AlertRow { run, alert } in rows {
        let (word, ink) = style::severity(alert.severity);
        let age = style::clock(style::between(alert.since, now));
        let (name, message) = (style::clean(&alert.alert), style::clean(&alert.message));
        let end = format!(" (for {age}, {})", style::clean(run));
        // What is said may be long; which run it is about must be seen.
        let room = width.saturating_sub(console::measure_text_width(&end));
        let begin = style::fit(&format!("{word}: {name}: {message}"), room, look);
        text.push_str(&look.paint(ink, &format!("{begin}{end}")));
        text.push('\n');
    }
    if rows.is_empty() {
        text.push_str("no alert is open\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Severity;

    #[test]
    fn each_alert_is_a_line_that_names_its_run() {
        let now = Timestamp::from_second(400).unwrap();
        let since = Timestamp::from_second(100).unwrap();
        let alert = OpenAlert {
            alert: "repeated_tool:Bash".to_owned(),
            severity: Severity::Warning,
            message: format!("again\u{1b}[2J\nand {}", "again ".repeat(40)),
            since,
        };
        let rows = [AlertRow { run: "20261121T024501Z-run-k3f9".to_owned(), alert }];
        let text = alerts(&rows, now, false, 100);
        assert!(text.starts_with("warning: repeated_tool:Bash: again and again"), "{text}");
        assert!(text.ends_with("... (for 5m 00s, 20261121T024501Z-run-k3f9)\n"), "{text}");
        assert_eq!((text.lines().count(), text.contains('\u{1b}')), (1, false));
        assert_eq!(alerts(&[], now, false, 100), "no alert is open\n");
    }
}
