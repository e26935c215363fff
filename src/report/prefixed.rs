//! Lines of one run among those of others.

use std::io::{self, Write};

/// Puts a text in front of each line.
pub struct Prefixed {
    out: Box<dyn Write + Send>,
    prefix: String,
    /// The line that is not whole yet.
    line: Vec<u8>,
}

impl Prefixed {
    /// Writes to `out`, each line behind `prefix`.
    pub fn new(out: Box<dyn Write + Send>, prefix: &str) -> Self {
        Self { out, prefix: prefix.to_owned(), line: Vec::new() }
    }
}

impl Write for Prefixed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        // A line is written in one go, so that those of others do not come into it.
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let mut whole = self.prefix.clone().into_bytes();
            whole.extend(self.line.drain(..=end));
            self.out.write_all(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_whole_and_says_whose_it_is() {
        let heard = Heard::default();
        let mut prefixed = Prefixed::new(Box::new(heard.clone()), "fixer | ");
        for part in ["one\ntw", "o", "\n", "three"] {
            prefixed.write_all(part.as_bytes()).unwrap();
        }
        let written: Vec<String> =
            heard.0.lock().unwrap().iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect();
        assert_eq!(written, ["fixer | one\n", "fixer | two\n"]);
    }
}
