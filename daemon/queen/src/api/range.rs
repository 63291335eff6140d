//! Downloads by range (RFC 9110), so that one that breaks goes on where it stopped.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::extract::one_header;
use crate::problem::{Answer, Refused};

/// Bytes read at once for a download.
pub const READ_BYTES: usize = 64 << 10;

/// The bytes that the request asks for out of `size`, half-open; `None`: all of them.
pub fn asked(headers: &HeaderMap, size: u64) -> Answer<Option<Range<u64>>> {
    let range = one_header(headers, header::RANGE.as_str())?;
    let range = range.map(|text| byte_range(text, size)).transpose()?;
    Ok(range.flatten())
}

/// The answer with the bytes that were [`asked`] for in `body`, out of `size`.
pub fn answer(body: Body, kind: &'static str, range: Option<Range<u64>>, size: u64) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(Range { start, end }) = range {
        let text = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
        let text = text.parse().expect("digits make a header value");
        headers.insert(header::CONTENT_RANGE, text);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// One range of RFC 9110: `bytes=a-b`, `bytes=a-`, `bytes=-n`, as half-open bytes. `None` for a unit that is
/// not bytes, which that document has a server ignore.
fn byte_range(text: &str, size: u64) -> Answer<Option<Range<u64>>> {
    let malformed = || {
        let detail = "range must be one range of bytes, such as bytes=0-1023";
        Refused::malformed(detail).field("range")
    };
    let (unit, text) = text.split_once('=').ok_or_else(malformed)?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').ok_or_else(malformed)?;
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u64>().ok()).flatten();
        number.ok_or_else(malformed)
    };
    let range = match (first, last) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(size),
    };
    if range.start >= range.end {
        let (start, end) = (range.start, range.end);
        return Err(swarm_store::StoreError::Range { start, end, size }.into());
    }
    Ok(Some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_means_them() {
        let read = |text| byte_range(text, 100).map_err(|refused| refused.problem.status);
        assert_eq!(read("bytes=0-9"), Ok(Some(0..10)));
        assert_eq!(read("bytes=90-"), Ok(Some(90..100)));
        assert_eq!(read("bytes=-10"), Ok(Some(90..100)));
        assert_eq!(read("Bytes=-200"), Ok(Some(0..100)));
        assert_eq!(read("bytes=50-1000"), Ok(Some(50..100)));
        assert_eq!(read("slices=1-2"), Ok(None));
        assert_eq!(read("bytes=100-"), Err(416));
        assert_eq!(read("bytes=9-5"), Err(416));
        assert_eq!(read("bytes=-0"), Err(416));
        for bad in [
            "0-9",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0-9,20-29",
            "bytes=",
            "bytes=5",
            "bytes=0-18446744073709551616",
        ] {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
    }
}
