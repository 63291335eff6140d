//! Server-sent events, as much of them as the queen sends: `data`, `id` and comments.

/// Largest event.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Takes bytes as they come, gives the `data` of whole events.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line that has not ended yet.
    line: Vec<u8>,
    data: String,
    has_data: bool,
    ended_with_cr: bool,
}

/// An event larger than [`EVENT_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Parser {
    /// The events that end within `bytes`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            // A line ends with \n, \r or both.
            let second_half = byte == b'\n' && self.ended_with_cr;
            self.ended_with_cr = byte == b'\r';
            if second_half {
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                events.extend(self.end_line());
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(data);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            self.has_data = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let feed = b": hello\n\nid: 1\ndata: {\"a\":\ndata: 1}\n\nevent: x\r\ndata:two\r\n\r\ndata\n\nid: 9\n\ndata: cut";
        let expected = ["{\"a\":\n1}", "two", ""];
        for size in 1..feed.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in feed.chunks(size) {
                events.extend(parser.push(piece).expect("small"));
            }
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(&vec![b'x'; EVENT_BYTES_MAX + 1]), Err(TooLarge));
        let mut parser = Parser::default();
        assert_eq!(
            parser.push(&b"data: 0123456789\n".repeat(100_000)),
            Err(TooLarge)
        );
    }
}
