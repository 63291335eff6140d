//! What leaves this box in a report, without secrets and without patients.
//!
//! Our programs write neither into their logs; this is the second wall, for what others write, and for what somebody
//! put where it does not belong. It works on shapes, because it cannot know names: it takes out too much rather than
//! too little.

use regex_lite::{Captures, NoExpand, Regex};
use swarm_types::sha256;

/// Paths that say where a program of ours keeps things, and nothing else.
const PATHS_KEPT: [&str; 8] = [
    "/etc/swarm",
    "/var/lib/swarm",
    "/run/swarm",
    "/usr/",
    "/proc/",
    "/sys/",
    "/dev/",
    "/etc/credstore",
];
/// Paths of URLs that are the queen's own.
const ROUTES_KEPT: [&str; 4] = ["/api/v1/", "/health", "/metrics", "/openapi.json"];
/// Words in the names of settings whose values are secrets.
const SECRET_WORDS: [&str; 9] = [
    "secret",
    "password",
    "passphrase",
    "bearer",
    "api_key",
    "apikey",
    "authorization",
    "join_code",
    "join-code",
];

/// Takes secrets and names out of text.
pub struct Redactor {
    rules: Vec<(Regex, Rule)>,
}

enum Rule {
    /// Everything that matched becomes this.
    Word(&'static str),
    /// The first group stays, the rest becomes this.
    After(&'static str),
    Url,
    Hex,
    Path,
}

impl Redactor {
    /// Compiles the rules.
    pub fn new() -> Self {
        let secrets = SECRET_WORDS.join("|");
        // The order counts: what is whole first, its parts later.
        let rules = [
            (
                r"(?i)AGE-(SECRET-KEY|PLUGIN)[0-9A-Z-]*".to_owned(),
                Rule::Word("<age identity>"),
            ),
            (
                r"(?is)-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\z)".to_owned(),
                Rule::Word("<pem>"),
            ),
            (
                r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+".to_owned(),
                Rule::Word("<credential>"),
            ),
            (
                r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9._-]+".to_owned(),
                Rule::Word("<credential>"),
            ),
            (
                format!(r#"(?i)([\w.-]*(?:{secrets})[\w.-]*["']?\s*[:=]\s*)("[^"]*"|'[^']*'|\S+)"#),
                Rule::After("<redacted>"),
            ),
            (
                r#"(?i)(\bpatient[\w '-]*["']?\s*[:=]\s*)[^\n]+"#.to_owned(),
                Rule::After("<patient>"),
            ),
            (
                r"(?i)(\(0010,[0-9a-f]{4}\))[^\n]+".to_owned(),
                Rule::After(" <patient>"),
            ),
            (
                r#"[^\s"'=(\[^]+\^[^\s"',;)\]]*"#.to_owned(),
                Rule::Word("<name>"),
            ),
            (r#"(?i)\bhttps?://[^\s"'<>)\],;]+"#.to_owned(), Rule::Url),
            (
                r#""[^"\n]*\.(?i:dcm|dicom|ima|nii|nii\.gz|nrrd|mha|zip|tar)""#.to_owned(),
                Rule::Word("\"<file>\""),
            ),
            (
                r#"(?i)[^\s"'=:,(\[]+\.(?:dcm|dicom|ima|nii\.gz|nii|nrrd|mha|zip)\b"#.to_owned(),
                Rule::Word("<file>"),
            ),
            (
                r#"(?:^|[\s"'=:(\[])(/[^/\s"'<>,;)\]][^\s"'<>,;)\]]*)"#.to_owned(),
                Rule::Path,
            ),
            (r"(?i)\b(?:0x)?[0-9a-f]{32,}\b".to_owned(), Rule::Hex),
            (
                r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+".to_owned(),
                Rule::Word("<mail>"),
            ),
        ];
        let rules = rules
            .map(|(pattern, rule)| (Regex::new(&pattern).expect("a pattern of this file"), rule));
        Self {
            rules: rules.into(),
        }
    }

    /// `text` without what should stay here.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, rule) in &self.rules {
            let replaced = match rule {
                Rule::Word(word) => pattern.replace_all(&text, NoExpand(word)),
                Rule::After(word) => {
                    pattern.replace_all(&text, |c: &Captures<'_>| format!("{}{word}", &c[1]))
                }
                Rule::Url => pattern.replace_all(&text, |c: &Captures<'_>| url(&c[0])),
                Rule::Hex => pattern.replace_all(&text, |c: &Captures<'_>| hex(&c[0])),
                Rule::Path => pattern.replace_all(&text, |c: &Captures<'_>| {
                    let kept = PATHS_KEPT.iter().any(|kept| c[1].starts_with(kept));
                    let before = &c[0][..c[0].len() - c[1].len()];
                    format!("{before}{}", if kept { &c[1] } else { "/…" })
                }),
            };
            text = replaced.into_owned();
        }
        text
    }

    /// `text` whose URLs hold no more than their hosts: enough for what stays on the operator's own screen.
    pub fn urls(&self, text: &str) -> String {
        let rule = self
            .rules
            .iter()
            .find(|(_, rule)| matches!(rule, Rule::Url));
        let (pattern, _) = rule.expect("there is a rule for URLs");
        pattern
            .replace_all(text, |c: &Captures<'_>| url(&c[0]))
            .into_owned()
    }

    /// A configuration, value by value: what its name calls a secret is gone, the rest is treated as text.
    pub fn toml(&self, value: toml::Value) -> toml::Value {
        match value {
            toml::Value::String(text) => toml::Value::String(self.text(&text)),
            toml::Value::Array(all) => {
                toml::Value::Array(all.into_iter().map(|value| self.toml(value)).collect())
            }
            toml::Value::Table(table) => {
                let kept = table.into_iter().map(|(key, value)| {
                    let lower = key.to_lowercase();
                    let is_secret =
                        value.is_str() && SECRET_WORDS.iter().any(|word| lower.contains(word));
                    let value = match is_secret {
                        true => toml::Value::String("<redacted>".into()),
                        false => self.toml(value),
                    };
                    (key, value)
                });
                toml::Value::Table(kept.collect())
            }
            other => other,
        }
    }
}

/// The host of a URL. Its path may hold a node's key, its user and query always could.
fn url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").expect("the pattern has it");
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match path {
        "" | "/" => path,
        path if ROUTES_KEPT.iter().any(|kept| path.starts_with(kept)) => path,
        _ => "/…",
    };
    format!("{scheme}://{host}{path}")
}

/// A digest or a key, which look the same: a tag by which two of them can be told to be equal. An address, which is
/// public, stays.
fn hex(text: &str) -> String {
    match text.strip_prefix("0x") {
        Some(digits) if digits.len() == 40 => text.to_owned(),
        _ => format!(
            "<hex #{}>",
            &format!("{:x}", sha256(text.to_lowercase().trim_start_matches("0x")))[..6]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_names_go_and_the_rest_stays() {
        let redactor = Redactor::new();
        let key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
        for (text, gone, kept) in [
            (format!("key 0x{key} loaded"), key, "loaded"),
            (format!("raw {key}"), key, "raw"),
            (
                "identity AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L end".into(),
                "QQPZRY9",
                "end",
            ),
            (
                "Authorization: Bearer abc.DEF-123 sent".into(),
                "abc.DEF",
                "Authorization",
            ),
            (
                "join_code = \"b54aa31c90ff\"".into(),
                "b54aa31c90ff",
                "join_code",
            ),
            (
                "node https://user:pw@base.example/v2/APIKEY99?x=TOKEN7 away".into(),
                "APIKEY99",
                "base.example",
            ),
            (
                "node https://user:pw@base.example/v2/APIKEY99?x=TOKEN7 away".into(),
                "TOKEN7",
                "away",
            ),
            (
                "node https://user:pw@base.example/v2/APIKEY99".into(),
                "pw@",
                "https://base.example",
            ),
            (
                "read /srv/scans/DOE_JOHN/IM0001.dcm failed".into(),
                "DOE",
                "failed",
            ),
            (
                "read /srv/scans/DOE_JOHN/IM0001 failed".into(),
                "DOE",
                "read",
            ),
            ("loaded DOE_JANE.nii.gz today".into(), "DOE", "today"),
            ("loaded \"Doe Jane 1970.dcm\" today".into(), "Doe", "today"),
            ("series of Doe^John^^Dr refused".into(), "John", "refused"),
            ("PatientName: John Doe".into(), "Doe", "PatientName"),
            ("(0010,0010) PN [Doe John]".into(), "John", "(0010,0010)"),
            ("mail john.doe@clinic.example now".into(), "john", "now"),
        ] {
            let text = redactor.text(&text);
            assert!(!text.contains(gone), "{gone} in {text}");
            assert!(text.contains(kept), "{kept} not in {text}");
        }
        for stays in [
            "escrow 0x5FbDB2315678afecb367f032d93F642f64180aa3 answers",
            "job-001-0001 took 1200 ms on GPU-11111111-2222-3333-4444-555555555555",
            "disk /var/lib/swarm/queen takes writes",
            "GET http://127.0.0.1:8000/api/v1/info 200",
        ] {
            assert_eq!(redactor.text(stays), stays);
        }
        let [one, two] = [format!("0x{key}"), key.to_uppercase()].map(|text| redactor.text(&text));
        assert_eq!(one, two, "one value, one tag");
    }

    #[test]
    fn a_configuration_keeps_its_shape() {
        let text = "name = \"rack\"\njoin_code = \"abc\"\n[chain]\nrpc_url = \"https://n.example/v2/KEY\"\n\
            token = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"\n[[more]]\npassword = { file = \"/root/x\" }\n";
        let value = Redactor::new().toml(toml::from_str(text).expect("TOML"));
        let text = toml::to_string(&value).expect("TOML");
        for gone in ["abc\"", "KEY", "/root"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        for kept in [
            "rack",
            "https://n.example/…",
            "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "password",
        ] {
            assert!(text.contains(kept), "{kept} not in {text}");
        }
    }
}
