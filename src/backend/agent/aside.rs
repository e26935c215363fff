//! Standard error of an agent that says more there than complaints.

use super::LineSplitter;
use crate::backend::{Link, Report};
use crate::event::AttemptRetrying;

/// What a line of standard error is.
#[derive(Clone, Debug, PartialEq)]
pub enum Aside {
    /// A complaint: it is kept, and the verdict may need it.
    Complaint,
    /// A sign that the model's answer is on its way.
    Begun,
    /// The agent's own loop waits, which it does not tell elsewhere.
    Retrying(AttemptRetrying),
    /// None of these; it is not kept.
    Noise,
}

/// Tells what a line of standard error is. It may remember the lines before.
pub type Listener = Box<dyn FnMut(&[u8]) -> Aside + Send>;

/// Takes the complaints out of standard error, and passes on the signs.
pub(super) struct Asides {
    listener: Listener,
    link: Link,
    lines: LineSplitter,
    kept: Vec<u8>,
}

impl Asides {
    pub(super) fn new(listener: Listener, link: Link) -> Self {
        Self { listener, link, lines: LineSplitter::new(), kept: Vec::new() }
    }

    /// The complaints that are complete by now; call it from a thread that may block.
    pub(super) fn complaints(&mut self, bytes: &[u8], end: bool) -> &[u8] {
        self.kept.clear();
        let (listener, kept, link) = (&mut self.listener, &mut self.kept, &self.link);
        let mut begun = false;
        let mut take = |line: &[u8]| match listener(line) {
            Aside::Complaint => {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
            Aside::Begun => begun = true,
            Aside::Retrying(retrying) => {
                let _ = link.tell_blocking(Report::Retrying(retrying));
            }
            Aside::Noise => {}
        };
        self.lines.push(bytes, |line| take(line.bytes));
        if end {
            self.lines.finish(|line| take(line.bytes));
        }
        // Once a chunk: the next sign says the same.
        if begun {
            let _ = self.link.tell_blocking(Report::Begun);
        }
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_kept_and_signs_are_passed_on_however_the_bytes_arrive() {
        let said = b"sign\nfirst\nnoise\nlast";
        for size in [1, 3, 100] {
            let (link, mut ear, _stop) = Link::new();
            let listener: Listener = Box::new(|line| match line {
                b"sign" => Aside::Begun,
                b"noise" => Aside::Noise,
                _ => Aside::Complaint,
            });
            let mut asides = Asides::new(listener, link);
            let mut kept = Vec::new();
            for chunk in said.chunks(size) {
                kept.extend_from_slice(asides.complaints(chunk, false));
            }
            kept.extend_from_slice(asides.complaints(b"", true));
            assert_eq!(kept, b"first\nlast\n", "{size}");
            assert!(matches!(ear.try_recv().unwrap().report, Report::Begun));
            assert!(ear.try_recv().is_err(), "it is told once");
        }
    }
}
