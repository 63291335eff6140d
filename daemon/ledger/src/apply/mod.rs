//! Commands: each checks, then writes. Nothing is written before it is sure not to be refused.

pub(crate) mod adopt;
mod around;
mod blobs;
mod chain;
mod complete;
mod epochs;
mod jobs;
mod leases;
mod seals;
mod submit;
mod undo;
mod workers;

use crate::limits::TEXT_BYTES_MAX;

/// Whether a short text is within its limit.
fn short(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX
}

/// A text cut to the limit, for what people read.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = "ä".repeat(TEXT_BYTES_MAX);
        assert_eq!(cut(&text).len(), TEXT_BYTES_MAX);
        let odd = format!("a{text}");
        assert_eq!(cut(&odd).len(), TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
        assert!(short(cut(&odd)) && !short(&odd));
    }
}
