//! Server-sent events: bytes in, events out, whatever the network does to the chunks.

/// One event that was dispatched by its blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The `event:` field; empty when there was none.
    pub(super) name: String,
    /// The `data:` lines, joined by newlines.
    pub(super) data: String,
}

/// What a parser does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {LIMIT} bytes")]
pub(super) struct TooLarge;

/// A server that never ends a line must not fill our memory.
const LIMIT: usize = 16 * 1024 * 1024;

/// Assembles events from chunks.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_cr: bool,
    begun: bool,
}

impl Parser {
    /// Takes a chunk and appends the events that it completes to `out`.
    pub(super) fn feed(&mut self, chunk: &[u8], out: &mut Vec<Event>) -> Result<(), TooLarge> {
        for &byte in chunk {
            // CR, LF and CRLF all end a line; the LF of a CRLF may come in a later chunk.
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\n' => self.end_line(out),
                b'\r' => {
                    self.after_cr = true;
                    self.end_line(out);
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.event.data.len() > LIMIT {
                return Err(TooLarge);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.line);
        // A line is decoded only once it is whole, so a character cut by a chunk boundary is never damaged.
        let text = String::from_utf8_lossy(&bytes);
        let line = if std::mem::replace(&mut self.begun, true) {
            &*text
        } else {
            text.strip_prefix('\u{feff}').unwrap_or(&text)
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                out.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // An empty field is a comment; `id` and `retry` are about reconnecting, which is the engine's decision.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, &mut out).unwrap();
        }
        out
    }

    fn data(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.data.as_str()).collect()
    }

    #[test]
    fn every_line_ending_comments_and_several_data_lines_are_understood() {
        let text = "\u{feff}: hello\r\ndata: a\r\ndata:b\r\n\r\nevent: error\ndata: c\n\nid: 4\n\ndata: d\r\rdata: cut";
        let events = parse(&[text.as_bytes()]);
        assert_eq!(data(&events), ["a\nb", "c", "d"]);
        assert_eq!(events[1].name, "error");
        assert_eq!(events[2].name, "");
    }

    #[test]
    fn a_character_cut_in_two_is_put_together() {
        assert_eq!(data(&parse(&[b"data: \xc3", b"\xa9\n", b"\n"])), ["é"]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        assert_eq!(parser.feed(&vec![b'x'; LIMIT + 1], &mut out), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            text in "(data: ?[a-zé{}\"]{0,6}|:x|event: e|id|\r\n|\n|\r|\n\n){0,24}",
            cuts in proptest::collection::vec(0_usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            prop_assert_eq!(parse(&chunks), parse(&[bytes]));
        }
    }
}
