//! The age format (X25519 recipients only) over bytes in memory, and where its header ends.
//!
//! Decrypted bytes come in a buffer that is wiped when it is dropped and that never grows, because growing would
//! leave copies behind.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use ::age::secrecy::ExposeSecret;
use ::age::x25519;
use zeroize::Zeroizing;

/// Most recipients of one file.
pub const RECIPIENTS_MAX: usize = 256;
/// Most bytes of a header; [`RECIPIENTS_MAX`] X25519 recipients need about 25 KiB.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// First bytes of every age file.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// How the last line of a header begins, with the end of the line before.
const LAST_LINE: &[u8] = b"\n--- ";

/// Why encryption or decryption failed. Never says anything of the plaintext.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Not an `age1…` text.
    #[error("'{0}' is not an age recipient (age1…)")]
    Recipient(String),
    /// Not an `AGE-SECRET-KEY-1…` text. The text is not repeated.
    #[error("the text is not an age identity (AGE-SECRET-KEY-1…)")]
    Identity,
    /// Nobody, or too many, to encrypt to.
    #[error("a file is encrypted to 1 to {RECIPIENTS_MAX} recipients, not {0}")]
    Recipients(usize),
    /// The bytes are not an age file, or its header is longer than [`HEADER_BYTES_MAX`].
    #[error("the bytes are not an age file with a header of at most {HEADER_BYTES_MAX} bytes")]
    Format,
    /// The plaintext would be larger than allowed.
    #[error("the plaintext is larger than {0} bytes")]
    TooLarge(u64),
    /// The encryption failed.
    #[error("encryption failed")]
    Encrypt(#[source] ::age::EncryptError),
    /// The file is not for this identity, or it was changed or cut.
    #[error("decryption failed")]
    Decrypt(#[source] ::age::DecryptError),
    /// The ciphertext was changed or cut after its header.
    #[error("the ciphertext is damaged")]
    Payload(#[source] std::io::Error),
}

/// A secret key that decrypts.
#[derive(Clone)]
pub struct Identity(x25519::Identity);

/// A public key to encrypt to.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Identity {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// What others encrypt to.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The text to keep in a key file (`AGE-SECRET-KEY-1…`).
    pub fn secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

impl FromStr for Identity {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        text.trim()
            .parse()
            .map(Self)
            .map_err(|_| AgeError::Identity)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        text.parse()
            .map(Self)
            .map_err(|_| AgeError::Recipient(text.chars().take(80).collect()))
    }
}

/// Encrypts `plaintext` to every one of `recipients`; each alone can decrypt it.
pub fn encrypt(plaintext: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, AgeError> {
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(AgeError::Recipients(recipients.len()));
    }
    let to = recipients.iter().map(|r| &r.0 as &dyn ::age::Recipient);
    let encryptor = ::age::Encryptor::with_recipients(to).map_err(AgeError::Encrypt)?;
    let mut ciphertext = Vec::with_capacity(plaintext.len() + plaintext.len() / 2048 + 1024);
    let io = |e| AgeError::Encrypt(::age::EncryptError::Io(e));
    let mut writer = encryptor.wrap_output(&mut ciphertext).map_err(io)?;
    writer.write_all(plaintext).map_err(io)?;
    writer.finish().map_err(io)?;
    Ok(ciphertext)
}

/// Decrypts `ciphertext`, whose plaintext may have at most `plaintext_max` bytes. The result is wiped when dropped.
pub fn decrypt(
    ciphertext: &[u8],
    identity: &Identity,
    plaintext_max: u64,
) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    match split(ciphertext) {
        Header::Ends(_) => {}
        Header::Open | Header::None | Header::TooLong => return Err(AgeError::Format),
    }
    let decryptor = ::age::Decryptor::new(ciphertext).map_err(AgeError::Decrypt)?;
    let mut reader = decryptor
        .decrypt(std::iter::once(&identity.0 as &dyn ::age::Identity))
        .map_err(AgeError::Decrypt)?;
    // The plaintext is shorter than the ciphertext, so the buffer never grows.
    let max = usize::try_from(plaintext_max).unwrap_or(usize::MAX);
    let capacity = ciphertext.len().min(max);
    let mut plaintext = Zeroizing::new(vec![0; capacity]);
    let mut filled = 0;
    while filled < capacity {
        match reader
            .read(&mut plaintext[filled..])
            .map_err(AgeError::Payload)?
        {
            0 => break,
            read => filled += read,
        }
    }
    if filled == capacity && reader.read(&mut [0]).map_err(AgeError::Payload)? > 0 {
        return Err(AgeError::TooLarge(plaintext_max));
    }
    plaintext.truncate(filled);
    Ok(plaintext)
}

/// What the first bytes of a file say about its age header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// It ends before this byte; the payload begins here.
    Ends(usize),
    /// It may be one, and goes on after these bytes.
    Open,
    /// Not an age file.
    None,
    /// It has not ended within [`HEADER_BYTES_MAX`].
    TooLong,
}

/// Finds the end of the age header that `start` begins with.
pub(crate) fn split(start: &[u8]) -> Header {
    let seen = start.len().min(MAGIC.len());
    if start[..seen] != MAGIC[..seen] {
        return Header::None;
    }
    let within = &start[..start.len().min(HEADER_BYTES_MAX)];
    let end = within
        .windows(LAST_LINE.len())
        .position(|w| w == LAST_LINE)
        .and_then(|at| {
            let line = at + LAST_LINE.len();
            within[line..]
                .iter()
                .position(|b| *b == b'\n')
                .map(|n| line + n + 1)
        });
    match end {
        Some(end) => Header::Ends(end),
        None if start.len() >= HEADER_BYTES_MAX => Header::TooLong,
        None => Header::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_decrypts_and_nobody_else() {
        let [one, two, other] = [(); 3].map(|_| Identity::generate());
        let plaintext = vec![7u8; 200_000];
        let sealed = encrypt(&plaintext, &[one.recipient(), two.recipient()]).expect("encrypts");
        for identity in [&one, &two] {
            assert_eq!(
                *decrypt(&sealed, identity, 200_000).expect("decrypts"),
                plaintext
            );
        }
        assert!(matches!(
            decrypt(&sealed, &other, 200_000),
            Err(AgeError::Decrypt(_))
        ));
        assert!(matches!(
            decrypt(&sealed, &one, 199_999),
            Err(AgeError::TooLarge(199_999))
        ));
        let mut bent = sealed.clone();
        *bent.last_mut().expect("bytes") ^= 1;
        assert!(matches!(
            decrypt(&bent, &one, 200_000),
            Err(AgeError::Payload(_))
        ));
        assert!(decrypt(&sealed[..sealed.len() - 1], &one, 200_000).is_err());
        assert!(matches!(
            decrypt(b"no age file", &one, 10),
            Err(AgeError::Format)
        ));
    }

    #[test]
    fn empty_plaintext_and_wrong_numbers_of_recipients() {
        let me = Identity::generate();
        let sealed = encrypt(b"", &[me.recipient()]).expect("encrypts");
        assert!(decrypt(&sealed, &me, 0).expect("decrypts").is_empty());
        assert!(matches!(encrypt(b"", &[]), Err(AgeError::Recipients(0))));
        let many = vec![me.recipient(); RECIPIENTS_MAX + 1];
        assert!(matches!(encrypt(b"", &many), Err(AgeError::Recipients(_))));
        let sealed = encrypt(b"x", &many[1..]).expect("encrypts");
        assert_eq!(*decrypt(&sealed, &me, 1).expect("decrypts"), b"x");
    }

    #[test]
    fn keys_read_back_and_debug_shows_no_secret() {
        let identity = Identity::generate();
        let text = identity.secret_text();
        let again: Identity = text.parse().expect("reads");
        assert_eq!(again.recipient(), identity.recipient());
        let recipient: Recipient = identity.recipient().to_string().parse().expect("reads");
        assert_eq!(recipient, identity.recipient());
        assert!(!format!("{identity:?}").contains("SECRET"));
        assert!("age1qqqq".parse::<Recipient>().is_err());
        let error = "AGE-SECRET-KEY-1ZZZ"
            .parse::<Identity>()
            .expect_err("refused");
        assert!(!error.to_string().contains("ZZZ"));
    }

    #[test]
    fn the_header_is_found_wherever_the_bytes_are_cut() {
        let me = Identity::generate();
        let sealed = encrypt(b"scan", &[me.recipient()]).expect("encrypts");
        let Header::Ends(end) = split(&sealed) else {
            panic!("no header")
        };
        assert_eq!(sealed[end - 1], b'\n');
        for cut in 0..sealed.len() {
            let expected = if cut < end {
                Header::Open
            } else {
                Header::Ends(end)
            };
            assert_eq!(split(&sealed[..cut]), expected, "{cut}");
        }
        assert_eq!(split(b"PK"), Header::None);
        let mut long = MAGIC.to_vec();
        long.resize(HEADER_BYTES_MAX, b'-');
        assert_eq!(split(&long), Header::TooLong);
    }
}
