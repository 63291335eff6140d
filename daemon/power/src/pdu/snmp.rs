//! SNMP 2c (RFC 1901, 3416) as far as a switch needs it: get and set one integer, over UDP. No more of BER (X.690)
//! than that is understood.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Largest message that is taken in, bytes; an answer has less than 100.
const MESSAGE_BYTES_MAX: usize = 1_500;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const GAUGE: u8 = 0x42;
const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
const SET: u8 = 0xa3;
/// Version 2c.
const VERSION: i64 = 1;

/// What an agent answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The value; `None` when it is no number, as of an object that is not there.
    Value(Option<i64>),
    /// RFC 3416, 3: the error's number.
    Error(i64),
}

/// An agent.
pub struct Agent {
    socket: UdpSocket,
    community: Vec<u8>,
    request: u32,
}

impl Agent {
    /// An agent at `to`. Nothing is sent yet.
    ///
    /// # Errors
    /// When there is no socket for it.
    pub async fn open(to: SocketAddr, community: &[u8]) -> io::Result<Self> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // Only what comes from there is heard.
        socket.connect(to).await?;
        let community = community.to_vec();
        // Whoever answers in its place has to guess the number of the request.
        let request = getrandom::u32().map_err(io::Error::other)?;
        Ok(Self {
            socket,
            community,
            request,
        })
    }

    /// Sets the object to `set`, or reads it when there is nothing to set. `None` when no answer came in `time`.
    ///
    /// # Errors
    /// When nothing can be sent or received.
    pub async fn ask(
        &mut self,
        oid: &[u32],
        set: Option<i64>,
        time: Duration,
    ) -> io::Result<Option<Reply>> {
        self.request = self.request.wrapping_add(1) & 0x7fff_ffff;
        let message = request(&self.community, self.request, oid, set);
        let until = Instant::now() + time;
        self.socket.send(&message).await?;
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        loop {
            let Ok(received) = timeout_at(until, self.socket.recv(&mut bytes)).await else {
                return Ok(None);
            };
            // The late answer to an earlier request, and what is no answer, are passed over.
            if let Some(reply) = reply(&bytes[..received?], self.request, oid) {
                return Ok(Some(reply));
            }
        }
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match length {
        0..=127 => bytes.push(length as u8),
        128..=255 => bytes.extend([0x81, length as u8]),
        _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    bytes.extend_from_slice(content);
    bytes
}

fn integer(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    // A leading byte goes when the next one has the same sign.
    let spare = bytes
        .windows(2)
        .take_while(|two| (two[0] == 0 && two[1] < 0x80) || (two[0] == 0xff && two[1] >= 0x80));
    tlv(INTEGER, &bytes[spare.count()..])
}

fn object_id(oid: &[u32]) -> Vec<u8> {
    let mut content = Vec::new();
    let first = oid.first().copied().unwrap_or(0) * 40 + oid.get(1).copied().unwrap_or(0);
    for number in std::iter::once(&first).chain(oid.iter().skip(2)) {
        let parts: Vec<u8> = (0..5)
            .map(|place| (number >> (7 * place)) as u8 & 0x7f)
            .collect();
        let last = parts.iter().rposition(|part| *part != 0).unwrap_or(0);
        content.extend(
            parts[1..=last.max(1)]
                .iter()
                .rev()
                .filter(|_| last > 0)
                .map(|part| part | 0x80),
        );
        content.push(parts[0]);
    }
    tlv(OBJECT_ID, &content)
}

fn request(community: &[u8], number: u32, oid: &[u32], set: Option<i64>) -> Vec<u8> {
    let value = set.map_or_else(|| tlv(NULL, &[]), integer);
    let binding = tlv(SEQUENCE, &[object_id(oid), value].concat());
    let pdu = [
        integer(i64::from(number)),
        integer(0),
        integer(0),
        tlv(SEQUENCE, &binding),
    ]
    .concat();
    let pdu = tlv(if set.is_some() { SET } else { GET }, &pdu);
    tlv(
        SEQUENCE,
        &[integer(VERSION), tlv(OCTET_STRING, community), pdu].concat(),
    )
}

/// The first element: its tag, its content, and what comes after it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn of_tag(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = split(bytes)?;
    (tag == wanted).then_some((content, rest))
}

fn number(content: &[u8]) -> Option<i64> {
    if !(1..=8).contains(&content.len()) {
        return None;
    }
    let sign = if content[0] >= 0x80 { -1 } else { 0 };
    Some(
        content
            .iter()
            .fold(sign, |value, byte| value << 8 | i64::from(*byte)),
    )
}

/// The answer to request `expected` about `oid`, if that is what the bytes are.
fn reply(bytes: &[u8], expected: u32, oid: &[u32]) -> Option<Reply> {
    let (message, _) = of_tag(bytes, SEQUENCE)?;
    let (version, rest) = of_tag(message, INTEGER)?;
    let (_community, rest) = of_tag(rest, OCTET_STRING)?;
    let (pdu, _) = of_tag(rest, RESPONSE)?;
    let (request, rest) = of_tag(pdu, INTEGER)?;
    let (status, rest) = of_tag(rest, INTEGER)?;
    if number(version)? != VERSION || number(request)? != i64::from(expected) {
        return None;
    }
    let status = number(status)?;
    if status != 0 {
        return Some(Reply::Error(status));
    }
    let (_index, rest) = of_tag(rest, INTEGER)?;
    let (bindings, _) = of_tag(rest, SEQUENCE)?;
    let (binding, _) = of_tag(bindings, SEQUENCE)?;
    let ours = object_id(oid);
    let (tag, value, _) = split(binding.strip_prefix(ours.as_slice())?)?;
    Some(Reply::Value(match tag {
        INTEGER => number(value),
        // Unsigned, in up to five bytes.
        GAUGE if value.len() <= 5 => number(value),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OUTLET: [u32; 14] = [1, 3, 6, 1, 4, 1, 318, 1, 1, 4, 4, 2, 1, 3];

    #[test]
    fn bytes_are_those_of_ber() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(-1), [2, 1, 0xff]);
        assert_eq!(integer(-129), [2, 2, 0xff, 0x7f]);
        assert_eq!(
            object_id(&[1, 3, 6, 1, 4, 1, 318]),
            [6, 7, 0x2b, 6, 1, 4, 1, 0x82, 0x3e]
        );
        assert_eq!(
            object_id(&[1, 3, 0, u32::MAX]),
            [6, 7, 0x2b, 0, 0x8f, 0xff, 0xff, 0xff, 0x7f]
        );
        assert_eq!(tlv(4, &[7; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }

    /// A response as an agent makes it of a request: the same but the tag, and a status.
    fn answer(set: Option<i64>, status: u8) -> Vec<u8> {
        let mut bytes = request(b"secret", 77, &OUTLET, set);
        let pdu = bytes
            .iter()
            .position(|byte| [GET, SET].contains(byte))
            .expect("a PDU");
        bytes[pdu] = RESPONSE;
        // Head of the PDU, number of the request, then the status's value.
        bytes[pdu + 2 + 3 + 2] = status;
        bytes
    }

    #[test]
    fn an_answer_is_read_and_anothers_is_not() {
        let bytes = answer(Some(2), 0);
        assert_eq!(reply(&bytes, 77, &OUTLET), Some(Reply::Value(Some(2))));
        assert_eq!(reply(&bytes, 78, &OUTLET), None, "another request");
        assert_eq!(reply(&bytes, 77, &OUTLET[..13]), None, "another object");
        assert_eq!(
            reply(&answer(None, 0), 77, &OUTLET),
            Some(Reply::Value(None))
        );
        assert_eq!(
            reply(&answer(Some(2), 17), 77, &OUTLET),
            Some(Reply::Error(17))
        );
        for length in 0..bytes.len() {
            assert_eq!(
                reply(&bytes[..length], 77, &OUTLET),
                None,
                "cut at {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0..60usize, to: u8) {
            reply(&bytes, 77, &OUTLET);
            let mut bent = answer(Some(2), 0);
            let at = at % bent.len();
            bent[at] = to;
            reply(&bent, 77, &OUTLET);
        }
    }
}
