//! Request nonces, webhooks, names.

use serde::Serialize;
use swarm_types::Address;

use crate::commands::{AddWebhook, BindName, RecordDelivery, RemoveWebhook, UseRequestNonce};
use crate::error::CommandError;
use crate::hot::Hook;
use crate::journal::kind;
use crate::limits::WEBHOOKS_MAX;
use crate::records::Webhook;
use crate::refusals::{Never, NonceRefusal, WebhookRefusal};
use crate::sql::{names, webhooks};
use crate::writer::{Command, Tx};

#[derive(Serialize)]
struct Hooked<'a> {
    client: Address,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct Bound<'a> {
    address: Address,
    block: String,
    #[serde(rename = "chainId")]
    chain_id: String,
    name: Option<&'a str>,
}

impl Command for UseRequestNonce {
    type Answer = ();
    type Refusal = NonceRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), CommandError<NonceRefusal>> {
        if names::use_nonce(tx.conn, self)? {
            return Ok(());
        }
        Err(CommandError::Refused(NonceRefusal::Replayed {
            address: self.address,
            nonce: self.nonce,
        }))
    }
}

impl Command for AddWebhook {
    type Answer = Webhook;
    type Refusal = WebhookRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Webhook, CommandError<WebhookRefusal>> {
        let known = webhooks::of(tx.conn, self.client)?;
        let same = known.iter().any(|hook| hook.url == self.url);
        if !same && known.len() >= WEBHOOKS_MAX {
            return Err(CommandError::Refused(WebhookRefusal::TooMany(WEBHOOKS_MAX)));
        }
        let id = webhooks::add(tx.conn, self)?;
        let body = Hooked {
            client: self.client,
            id,
            url: Some(&self.url),
        };
        tx.journal(self.now, kind::WEBHOOK_ADDED, &body)?;
        let hooks = tx.hot.hooks.entry(self.client).or_default();
        hooks.retain(|hook| hook.id != id);
        hooks.push(Hook {
            id,
            url: self.url.clone(),
            events: self.events.clone(),
        });
        hooks.sort_by_key(|hook| hook.id);
        let created_at = known
            .iter()
            .find(|hook| hook.id == id)
            .map_or(self.now, |hook| hook.created_at);
        Ok(Webhook {
            id,
            client: self.client,
            url: self.url.clone(),
            events: self.events.clone(),
            created_at,
        })
    }
}

impl Command for RemoveWebhook {
    type Answer = ();
    type Refusal = WebhookRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), CommandError<WebhookRefusal>> {
        let known = webhooks::of(tx.conn, self.client)?;
        if !known.iter().any(|hook| hook.id == self.id) {
            return Err(CommandError::Refused(WebhookRefusal::Unknown));
        }
        webhooks::remove(tx.conn, self.id)?;
        let body = Hooked {
            client: self.client,
            id: self.id,
            url: None,
        };
        tx.journal(self.now, kind::WEBHOOK_REMOVED, &body)?;
        if let Some(hooks) = tx.hot.hooks.get_mut(&self.client) {
            hooks.retain(|hook| hook.id != self.id);
            if hooks.is_empty() {
                tx.hot.hooks.remove(&self.client);
            }
        }
        Ok(())
    }
}

impl Command for RecordDelivery {
    type Answer = ();
    type Refusal = WebhookRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), CommandError<WebhookRefusal>> {
        if !webhooks::delivery_known(tx.conn, self.id)? {
            return Err(CommandError::Refused(WebhookRefusal::Unknown));
        }
        Ok(webhooks::record(tx.conn, self)?)
    }
}

impl Command for BindName {
    type Answer = ();
    type Refusal = Never;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), CommandError<Never>> {
        names::bind(tx.conn, self)?;
        let body = Bound {
            address: self.address,
            block: self.block.to_string(),
            chain_id: self.chain_id.to_string(),
            name: self.name.as_deref(),
        };
        tx.journal(self.now, kind::NAME_BOUND, &body)?;
        Ok(())
    }
}
