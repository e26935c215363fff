//! Server-sent events: bytes in, events out, whatever the network does to the chunks.

/// One event, as its blank line dispatched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// The `event:` field; empty when there was none.
    pub(super) name: &'a [u8],
    /// The `data:` lines, joined by newlines.
    pub(super) data: &'a [u8],
}

/// What a parser does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {LIMIT} bytes")]
pub(super) struct TooLarge;

/// A server that never ends a line must not fill our memory.
const LIMIT: usize = 16 * 1024 * 1024;

/// What a buffer may keep after a large event.
const KEPT: usize = 1024 * 1024;

/// Assembles events from chunks. An event that lies in one chunk and has one line of data is not copied.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line that is open.
    line: Vec<u8>,
    /// The event that is open.
    open: Open,
    after_cr: bool,
    begun: bool,
}

/// The event that is open.
#[derive(Debug, Default)]
struct Open {
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

impl Parser {
    /// Takes a chunk and hands out the events that it completes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], and what `take` returns.
    pub(super) fn feed<E: From<TooLarge>>(
        &mut self,
        chunk: &[u8],
        mut take: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        // CR, LF and CRLF all end a line; the LF of a CRLF may come in a later chunk.
        if !rest.is_empty() && std::mem::take(&mut self.after_cr) {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // The data of the open event, while it is a piece of this chunk.
        let mut lent: Option<&[u8]> = None;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let piece = &rest[..end];
            let cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if cr {
                self.after_cr = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let first = !std::mem::replace(&mut self.begun, true);
            if self.line.is_empty() {
                self.open.line(unmarked(piece, first), &mut lent, &mut take)?;
            } else {
                self.line.extend_from_slice(piece);
                self.bounded()?;
                let mut line = std::mem::take(&mut self.line);
                self.open.own(&mut lent);
                let mut passing = None;
                self.open.line(unmarked(&line, first), &mut passing, &mut take)?;
                self.open.own(&mut passing);
                line.clear();
                line.shrink_to(KEPT);
                self.line = line;
            }
        }
        self.line.extend_from_slice(rest);
        self.open.own(&mut lent);
        Ok(self.bounded()?)
    }

    fn bounded(&self) -> Result<(), TooLarge> {
        if self.line.len() + self.open.data.len() > LIMIT { Err(TooLarge) } else { Ok(()) }
    }
}

/// The line without the mark that a stream may begin with.
fn unmarked(line: &[u8], first: bool) -> &[u8] {
    if first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line }
}

impl Open {
    /// Takes a line; its data is lent until the line goes.
    fn line<'c, E: From<TooLarge>>(
        &mut self,
        line: &'c [u8],
        lent: &mut Option<&'c [u8]>,
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if line.is_empty() {
            return self.dispatch(lent, take);
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((line, &[][..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" if !self.has_data => {
                self.has_data = true;
                *lent = Some(value);
            }
            b"data" => {
                self.own(lent);
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
                if self.data.len() > LIMIT {
                    return Err(TooLarge.into());
                }
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // An empty field is a comment; `id` and `retry` are about reconnecting, which is the engine's decision.
            _ => {}
        }
        Ok(())
    }

    fn dispatch<E>(
        &mut self,
        lent: &mut Option<&[u8]>,
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let taken = if std::mem::take(&mut self.has_data) {
            let data = lent.take().unwrap_or(&self.data);
            take(Event { name: &self.name, data })
        } else {
            Ok(())
        };
        self.name.clear();
        self.data.clear();
        self.data.shrink_to(KEPT);
        taken
    }

    /// Copies what is lent: the chunk goes.
    fn own(&mut self, lent: &mut Option<&[u8]>) {
        if let Some(lent) = lent.take() {
            self.data.extend_from_slice(lent);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name and data of each event.
    fn parse(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for chunk in chunks {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let fed: Result<(), TooLarge> = parser.feed(chunk, |event| {
                out.push((text(event.name), text(event.data)));
                Ok(())
            });
            fed.unwrap();
        }
        out
    }

    fn data(events: &[(String, String)]) -> Vec<&str> {
        events.iter().map(|(_, data)| data.as_str()).collect()
    }

    #[test]
    fn every_line_ending_comments_and_several_data_lines_are_understood() {
        let text = "\u{feff}: hello\r\ndata: a\r\ndata:b\r\n\r\nevent: error\ndata: c\n\nid: 4\n\ndata: d\r\rdata: cut";
        let events = parse(&[text.as_bytes()]);
        assert_eq!(data(&events), ["a\nb", "c", "d"]);
        assert_eq!((events[1].0.as_str(), events[2].0.as_str()), ("error", ""));
    }

    #[test]
    fn a_character_cut_in_two_is_put_together() {
        assert_eq!(data(&parse(&[b"data: \xc3", b"\xa9\n", b"\n"])), ["é"]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let fed: Result<(), TooLarge> = parser.feed(&vec![b'x'; LIMIT + 1], |_| Ok(()));
        assert_eq!(fed, Err(TooLarge));
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; LIMIT / 4], b"\n"].concat();
        let endless: Result<(), TooLarge> = (0..5).try_for_each(|_| parser.feed(&line, |_| Ok(())));
        assert_eq!(endless, Err(TooLarge));
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
