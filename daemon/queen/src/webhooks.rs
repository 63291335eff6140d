//! Webhooks: events pushed to clients, signed by the queen's key, tried again with growing pauses.
//!
//! A target must be https at a public address, unless the configuration lets it be private: a webhook
//! must not make the queen knock at doors that only she can reach. Names are checked where they are
//! resolved, for every delivery, so that a name cannot change its mind in between.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use alloy::signers::SignerSync;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use swarm_ledger::commands::RecordDelivery;
use swarm_ledger::records::Delivery;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::{Signature65, sha256};

use crate::feed::public;
use crate::problem::{Answer, Refused, chain};
use crate::state::{App, AppState};

/// Time between looks for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Deliveries tried at once.
const DELIVERIES_AT_ONCE: u32 = 16;
/// Time that a target has to answer.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(10);
/// Seconds before each further try; after the last one a delivery is given up.
const PAUSES_SECONDS: [u64; 7] = [10, 30, 120, 600, 3_600, 4 * 3_600, 12 * 3_600];
/// Bytes of a delivery's error that are kept.
const ERROR_BYTES_MAX: usize = 200;

/// Refuses a target that is no webhook.
pub fn check_target(url: &str, to_private: bool) -> Answer<Url> {
    let refuse = |detail: &str| Refused::invalid("webhook-url", "url", detail);
    if url.len() > swarm_ledger::limits::URL_BYTES_MAX {
        return Err(refuse("the URL is too long"));
    }
    let parsed: Url = url.parse().map_err(|_| refuse("this is no URL"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refuse("a webhook's URL must not hold credentials"));
    }
    if to_private {
        return match parsed.scheme() {
            "http" | "https" => Ok(parsed),
            _ => Err(refuse("a webhook's URL must be http or https")),
        };
    }
    if parsed.scheme() != "https" {
        return Err(refuse("a webhook's URL must be https"));
    }
    let host = parsed.host_str().unwrap_or_default();
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let local = host == "localhost" || host.ends_with(".localhost");
    if local || literal.is_some_and(|address| !is_public(&address)) {
        return Err(refuse("a webhook must be at a public address"));
    }
    Ok(parsed)
}

/// Whether an address is on the open internet.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b));
            !special
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(&IpAddr::V4(v4));
            }
            // Global unicast is 2000::/3; of it, 2001:db8::/32 is for documents, 2002::/16 and
            // 2001::/32 wrap IPv4 addresses.
            let [a, b, ..] = v6.segments();
            (a & 0xe000) == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0 || b == 0x0db8))
        }
    }
}

/// Resolves names to public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::task::spawn_blocking(move || (host.as_str(), 0).to_socket_addrs());
            let found: Vec<SocketAddr> = found.await??.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(&address.ip()))
                .collect();
            if public.is_empty() {
                return Err("the name leads to no public address".into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

fn http_client(to_private: bool) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .timeout(DELIVERY_TIME_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("swarmos-queen/", env!("CARGO_PKG_VERSION")));
    match to_private {
        true => builder.build(),
        false => builder
            .dns_resolver(std::sync::Arc::new(PublicOnly))
            .build(),
    }
}

/// Delivers what is due, until the queen stops.
pub async fn run(app: App) {
    let http = match http_client(app.config.webhooks_to_private) {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(error = %chain(&error), "webhooks are off: no HTTP client");
            return;
        }
    };
    loop {
        tokio::select! {
            // Cancel-safe: nothing was taken.
            () = app.stop.cancelled() => return,
            // Cancel-safe: a pause.
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match app
            .ledger
            .deliveries_due(app.clock.seconds(), DELIVERIES_AT_ONCE)
            .await
        {
            Ok(due) => {
                let all = due
                    .into_iter()
                    .map(|delivery| deliver(&app, &http, delivery));
                futures::future::join_all(all).await;
            }
            Err(error) => tracing::warn!(error = %chain(&error), "webhooks wait for the ledger"),
        }
    }
}

async fn deliver(app: &AppState, http: &reqwest::Client, delivery: Delivery) {
    let now = app.clock.seconds();
    let outcome = push(app, http, &delivery, now).await;
    let command = match outcome {
        Ok(()) => {
            app.metrics.webhooks_delivered.add(1);
            RecordDelivery {
                now,
                id: delivery.id,
                retry_at: None,
                error: None,
            }
        }
        Err(why) => {
            app.metrics.webhooks_failed.add(1);
            let pause = PAUSES_SECONDS.get(delivery.attempts as usize);
            tracing::info!(id = delivery.id, why, again = ?pause, "a webhook did not arrive");
            RecordDelivery {
                now,
                id: delivery.id,
                retry_at: pause.map(|pause| now + pause),
                error: Some(why.chars().take(ERROR_BYTES_MAX / 4).collect()),
            }
        }
    };
    if let Err(error) = app.ledger.record_delivery(command).await {
        tracing::warn!(error = %chain(&error), "a webhook's outcome was not kept; it may come twice");
    }
}

/// Posts one event. The nonce is the event's number, so that a receiver can tell a repetition.
async fn push(
    app: &AppState,
    http: &reqwest::Client,
    delivery: &Delivery,
    now: u64,
) -> Result<(), String> {
    let to_private = app.config.webhooks_to_private;
    let url = check_target(&delivery.url, to_private).map_err(|refused| refused.problem.detail)?;
    // An event that is not public any more is not pushed either.
    let Some(event) = public(&delivery.event) else {
        return Ok(());
    };
    let body = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let signed = RequestToSign {
        method: "POST",
        path: &path,
        body: sha256(&body),
        timestamp: now,
        nonce: event.seq,
    };
    let signature = app
        .key
        .sign_hash_sync(&signed.digest())
        .map_err(|error| error.to_string())?;
    let sent = http
        .post(url)
        .header(HEADER_ADDRESS, app.key.address().to_string())
        .header(HEADER_TIMESTAMP, now.to_string())
        .header(HEADER_NONCE, event.seq.to_string())
        .header(HEADER_SIGNATURE, Signature65::from(signature).to_string())
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await;
    // Without the URL: it may hold a token of the client's.
    let answer = sent.map_err(|error| chain(&error.without_url()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("the target answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_targets_are_refused_unless_allowed() {
        for bad in [
            "http://example.org/hook",
            "https://localhost/x",
            "https://a.localhost/x",
            "https://127.0.0.1/x",
            "https://10.1.2.3/x",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/x",
            "https://0.0.0.0/x",
            "https://[::1]/x",
            "https://[fe80::1]/x",
            "https://[fd00::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://2130706433/x",
            "https://user:pass@example.org/",
            "ftp://example.org/",
            "nonsense",
        ] {
            assert!(check_target(bad, false).is_err(), "{bad}");
        }
        for good in [
            "https://example.org/hook?x=1",
            "https://8.8.8.8/",
            "https://[2606:4700::1]/",
        ] {
            assert!(check_target(good, false).is_ok(), "{good}");
        }
        assert!(check_target("http://127.0.0.1:9/x", true).is_ok());
        assert!(check_target("file:///etc/passwd", true).is_err());
    }
}
