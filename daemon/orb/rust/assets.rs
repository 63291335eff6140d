//! The built app as part of the program. `daemon/orb/dist` is committed, so that `cargo build` needs no
//! Node; without that directory this crate does not compile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use swarm_types::{hex, sha256};

/// The page itself.
pub const PAGE: &str = "index.html";
/// Files whose name holds a hash of their content.
const HASHED: &str = "assets/";
/// Hex digits of a tag.
const TAG_DIGITS: usize = 32;

#[derive(RustEmbed)]
#[folder = "dist"]
struct Dist;

/// A file of the app.
pub struct Asset {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// The same, compressed; absent where that saves nothing.
    pub gzip: Option<Vec<u8>>,
    /// Names its content, in quotes.
    pub etag: String,
    /// Media type.
    pub content_type: &'static str,
    /// Whether the content of this name never changes.
    pub immutable: bool,
}

/// Every file of the app by its path.
pub fn all() -> &'static BTreeMap<String, Asset> {
    static ALL: OnceLock<BTreeMap<String, Asset>> = OnceLock::new();
    ALL.get_or_init(|| {
        let read = |path: Cow<'static, str>| Some((path.to_string(), asset(&path)?));
        Dist::iter().filter_map(read).collect()
    })
}

/// A file of the app. `path` is relative, with `/`; nothing outside of the app has a path.
pub fn get(path: &str) -> Option<&'static Asset> {
    all().get(path)
}

fn asset(path: &str) -> Option<Asset> {
    let bytes = Dist::get(path)?.data;
    Some(Asset {
        gzip: gzip(&bytes).filter(|small| small.len() < bytes.len()),
        etag: etag(&bytes),
        content_type: content_type(path),
        immutable: path.starts_with(HASHED),
        bytes,
    })
}

/// A strong entity tag of some bytes.
pub fn etag(bytes: &[u8]) -> String {
    let digest = hex::encode(sha256(bytes));
    format!("\"{}\"", &digest[..TAG_DIGITS])
}

/// Bytes compressed with gzip; the same bytes give the same.
pub fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The media type of a file by its name.
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_what_it_names_are_there() {
        let page = get(PAGE).expect("the page");
        let text = String::from_utf8_lossy(&page.bytes);
        let mut named = 0;
        for part in text.split("assets/").skip(1) {
            let name = part.split('"').next().expect("a name");
            let asset = get(&format!("{HASHED}{name}")).expect(name);
            assert!(asset.immutable && asset.content_type != "application/octet-stream");
            named += 1;
        }
        assert!(named >= 2, "the page loads a script and a style");
        assert!(!page.immutable);
        assert!(
            page.gzip
                .as_ref()
                .is_some_and(|small| small.len() < page.bytes.len())
        );
    }

    #[test]
    fn only_files_of_the_app_have_paths() {
        for path in [
            "",
            "/",
            "../Cargo.toml",
            "assets/../index.html",
            "/index.html",
            "assets",
        ] {
            assert!(get(path).is_none(), "{path}");
        }
    }
}
