//! What a page of SwarmOrb may load and reach, as headers. The app's page states the policy of a static
//! site by itself, in a `meta` element; a queen adds these, and a browser holds both.

use url::Url;

/// Headers of every answer of a queen, beside [`content_security_policy`].
pub const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), serial=()",
    ),
];

/// Most nodes that a page may be told.
pub const RPCS_MAX: usize = 16;

/// The policy of a queen's pages: everything from herself, and reads of the chain from `rpcs`.
pub fn content_security_policy(rpcs: &[String]) -> String {
    let mut connect = String::from("'self'");
    for origin in rpcs.iter().filter_map(|rpc| origin(rpc)) {
        connect.push(' ');
        connect.push_str(&origin);
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         font-src 'self'; connect-src {connect}; worker-src 'self'; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The origin of an http or https URL, which cannot hold anything that ends a directive.
fn origin(url: &str) -> Option<String> {
    let url = http_url(url)?;
    Some(url.origin().ascii_serialization())
}

/// An http or https URL of a host, without user, password or fragment: one that may be told to everybody.
pub fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// The base URL of a block explorer as the index states it, without a slash at its end.
pub fn explorer_url(text: &str) -> Option<String> {
    let url = http_url(text).filter(|url| url.query().is_none())?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_of_web_addresses_reach_the_policy() {
        let rpcs = [
            "https://sepolia.base.org/v1?key=x",
            "http://127.0.0.1:8545",
            "https://x.example; script-src *",
            "javascript:alert(1)",
            "https://user:secret@x.example",
        ];
        let policy = content_security_policy(&rpcs.map(String::from));
        assert!(
            policy.contains("connect-src 'self' https://sepolia.base.org http://127.0.0.1:8545;"),
            "{policy}"
        );
        assert_eq!(policy.matches("script-src").count(), 1, "{policy}");
        assert!(!policy.contains("secret") && !policy.contains("key=x"));
    }

    #[test]
    fn an_explorer_has_no_slash_at_its_end() {
        let told = explorer_url("https://basescan.org/");
        assert_eq!(told.as_deref(), Some("https://basescan.org"));
        for bad in [
            "",
            "basescan.org",
            "ftp://x",
            "https://x/?q=1",
            "javascript:1",
        ] {
            assert_eq!(explorer_url(bad), None, "{bad}");
        }
    }
}
