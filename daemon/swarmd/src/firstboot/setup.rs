//! The page that takes `swarm.toml` when no other place has one. It is served over TLS with the box's own certificate, and
//! takes a configuration only together with the one-time code that the console shows: who stands before the box, configures it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{DefaultBodyLimit, RawForm, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract::RawQuery};
use axum_server::tls_rustls::RustlsConfig;
use swarm_types::{B256, hex, sha256};
use tokio::sync::{Mutex, mpsc};

use super::announce;
use super::config::{BoxConfig, Role};
use super::files::{FILE_BYTES_MAX, Root};
use super::keys::{self, Sealer};
use super::render::CERTIFICATE;

/// Random bytes of the code.
const CODE_BYTES: usize = 16;
/// Wrong codes that are answered; after them the box must be restarted, which shows another code.
const WRONG_CODES_MAX: u32 = 20;
/// How long the network may take before the console names the box without an address.
const NETWORK_WAIT: Duration = Duration::from_secs(60);
/// How long the last answer may take to leave.
const GOODBYE: Duration = Duration::from_secs(3);

/// What the page's requests share.
struct Page {
    /// SHA-256 of the code, so that a comparison's time says nothing about it.
    code: B256,
    image: Option<Role>,
    state: Mutex<Tries>,
}

struct Tries {
    wrong: u32,
    accepted: Option<mpsc::Sender<String>>,
}

/// Serves the page on `listen` until somebody gave a good configuration. Answers where it came from, and its text.
pub async fn wait(
    root: &Root,
    sealer: &dyn Sealer,
    listen: SocketAddr,
    image: Option<Role>,
) -> Result<(String, String)> {
    // The certificate stays, so that the fingerprint that the console shows now is the queen's later.
    let names = ["swarm.local".to_owned(), "localhost".to_owned()];
    let fingerprint = keys::certificate(root, sealer, &names)?;
    let certificate = root.read(CERTIFICATE)?.context("the certificate is gone")?;
    let key = keys::open_tls(root, sealer)?;
    let tls = tls(&certificate, &key)?;

    let mut bytes = [0; CODE_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness for a code: {e}"))?;
    let code = hex::encode(bytes);
    let (accepted, mut given) = mpsc::channel(1);
    let page = Page::router(&code, image, accepted);
    let handle = axum_server::Handle::new();
    let server = axum_server::bind_rustls(listen, tls)
        .handle(handle.clone())
        .serve(page.into_make_service());
    let server = tokio::spawn(server);
    let port = handle
        .listening()
        .await
        .context("the page's port cannot be used")?
        .port();

    let host = network().await;
    announce::waiting(&format!("https://{host}:{port}/?code={code}"), &fingerprint);
    let text = given.recv().await.context("the page ended by itself")?;
    handle.graceful_shutdown(Some(GOODBYE));
    server
        .await
        .context("end the page")?
        .context("serve the page")?;
    Ok(("the setup page".to_owned(), text))
}

fn tls(certificate: &str, key: &str) -> Result<RustlsConfig> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.context("read the certificate")?],
            key.context("read the certificate's key")?,
        )
        .context("use the certificate")?;
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// The box's address, or its name when no network comes.
async fn network() -> String {
    let found = async {
        loop {
            if let Some(address) = announce::address() {
                return address.to_string();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let found = tokio::time::timeout(NETWORK_WAIT, found).await;
    found.unwrap_or_else(|_| "swarm.local".to_owned())
}

impl Page {
    fn router(code: &str, image: Option<Role>, accepted: mpsc::Sender<String>) -> Router {
        let page = Self {
            code: sha256(code),
            image,
            state: Mutex::new(Tries {
                wrong: 0,
                accepted: Some(accepted),
            }),
        };
        Router::new()
            .route("/", get(form).post(take))
            .layer(DefaultBodyLimit::max(FILE_BYTES_MAX as usize * 3))
            .with_state(Arc::new(page))
    }

    /// Judges one attempt: the answer's status and text.
    async fn judge(&self, code: &str, text: &str) -> (StatusCode, String) {
        let mut state = self.state.lock().await;
        let Some(accepted) = &state.accepted else {
            return (
                StatusCode::CONFLICT,
                "this box has its configuration".into(),
            );
        };
        if state.wrong >= WRONG_CODES_MAX {
            let said = "too many wrong codes: restart the box, its console then shows another";
            return (StatusCode::TOO_MANY_REQUESTS, said.into());
        }
        if sha256(code) != self.code {
            state.wrong += 1;
            return (
                StatusCode::FORBIDDEN,
                "the code is not the one on the console".into(),
            );
        }
        if text.len() as u64 > FILE_BYTES_MAX {
            let said = format!("larger than {FILE_BYTES_MAX} bytes");
            return (StatusCode::PAYLOAD_TOO_LARGE, said);
        }
        let read = BoxConfig::read(text).and_then(|config| config.for_image(self.image));
        if let Err(problems) = read {
            return (StatusCode::UNPROCESSABLE_ENTITY, problems.join("\n"));
        }
        if accepted.send(text.to_owned()).await.is_err() {
            return (
                StatusCode::CONFLICT,
                "this box has its configuration".into(),
            );
        }
        state.accepted = None;
        let said = "taken: the console shows the box's keys, and its services start";
        (StatusCode::OK, said.into())
    }
}

async fn form(RawQuery(query): RawQuery) -> Response {
    let code = query
        .map(|query| field(query.as_bytes(), "code"))
        .unwrap_or_default();
    page(StatusCode::OK, &code, "", "")
}

async fn take(State(state): State<Arc<Page>>, RawForm(body): RawForm) -> Response {
    let (code, text) = (field(&body, "code"), field(&body, "config"));
    // Browsers send line ends as CR LF.
    let text = text.replace("\r\n", "\n");
    let (status, said) = state.judge(code.trim(), &text).await;
    page(status, &code, &text, &said)
}

/// The value of a form's field; empty when it is not there.
fn field(form: &[u8], name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(form);
    let found = pairs.find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The page: a form, no script.
fn page(status: StatusCode, code: &str, text: &str, said: &str) -> Response {
    let form = format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>SwarmOS: set up this box</title><h1>Set up this box</h1><pre role="status">{said}</pre>
<form method="post" action="/"><p><label>Code on the console<br><input name="code" size="34" value="{code}"></label>
<p><label>swarm.toml<br><textarea name="config" rows="30" cols="90" spellcheck="false">{text}</textarea></label>
<p><button>Configure</button></form></html>
"#,
        said = escape(said),
        code = escape(code),
        text = escape(text),
    );
    let policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(form)).into_response()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_stays_text() {
        assert_eq!(
            escape("</pre><b a=\"&\">"),
            "&lt;/pre&gt;&lt;b a=&quot;&amp;&quot;&gt;"
        );
        assert_eq!(field(b"code=a%26b&config=x%3D1%0D%0A", "config"), "x=1\r\n");
        assert_eq!(field(b"code=1", "config"), "");
    }

    #[tokio::test]
    async fn only_the_consoles_code_configures_the_box_once() {
        let (accepted, mut given) = mpsc::channel(1);
        let page = Page {
            code: sha256("right"),
            image: Some(Role::Bee),
            state: Mutex::new(Tries {
                wrong: 0,
                accepted: Some(accepted),
            }),
        };
        let good = "role = \"bee\"\nname = \"bee-01\"\nbee.queen = \"https://q:8000\"\n";
        let status = async |code: &str, text: &str| page.judge(code, text).await.0;
        assert_eq!(status("wrong", good).await, StatusCode::FORBIDDEN);
        let (unread, said) = page.judge("right", "role = \"bee\"\nname = \"B!\"\n").await;
        assert_eq!(unread, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(said.contains("name: 'B!'"), "{said}");
        let (other, said) = page
            .judge("right", &good.replace("\"bee\"", "\"drone\""))
            .await;
        assert_eq!(other, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(said.contains("role"), "{said}");
        let large = format!("{good}#{}", "x".repeat(FILE_BYTES_MAX as usize));
        assert_eq!(status("right", &large).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status("right", good).await, StatusCode::OK);
        assert_eq!(given.recv().await.as_deref(), Some(good));
        assert_eq!(status("right", good).await, StatusCode::CONFLICT);
    }

    #[tokio::test]
    async fn guessing_ends() {
        let (accepted, _given) = mpsc::channel(1);
        let page = Page {
            code: sha256("right"),
            image: None,
            state: Mutex::new(Tries {
                wrong: 0,
                accepted: Some(accepted),
            }),
        };
        for _ in 0..WRONG_CODES_MAX {
            assert_eq!(page.judge("guess", "").await.0, StatusCode::FORBIDDEN);
        }
        assert_eq!(
            page.judge("right", "").await.0,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
}
