//! `/x402.json`: where and how this queen is paid, in the shape of x402 version 2.
//!
//! `accepts` is empty on purpose: a plain x402 transfer to the escrow would arrive uncredited. The way
//! to pay is a deposit into the escrow and a signed order, which the extension describes.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::docs::Problems;
use crate::state::App;

/// Where and how this queen is paid.
#[utoipa::path(get, path = "/x402.json", tag = "queen", responses(
    (status = 200, body = Object), Problems))]
pub async fn manifest(State(app): State<App>) -> Json<Value> {
    let config = &app.config;
    let chain = &config.chain;
    let scheme = if config.speaks_tls() { "https" } else { "http" };
    let address = config.listen.address;
    let url = config.listen.public_url.clone();
    let url = url.unwrap_or_else(|| format!("{scheme}://{address}"));
    let all = app.catalogue.all();
    let models = all.values().filter(|model| model.active).map(|model| {
        json!({
            "model": model.digest,
            "jobType": model.job_type,
            "amount": model.fee.0.to_string(),
        })
    });
    Json(json!({
        "x402Version": 2,
        "resource": {
            "url": format!("{url}/api/v1/jobs"),
            "description": "Signed orders for inference, paid from a deposit in the escrow",
            "mimeType": "application/json",
            "serviceName": "SwarmOS",
        },
        "accepts": [],
        "extensions": {
            "swarm-escrow": {
                "info": {
                    "network": format!("eip155:{}", chain.chain_id),
                    "escrow": chain.escrow,
                    "asset": chain.token,
                    "domain": {
                        "name": "SwarmEscrow",
                        "version": "1",
                        "chainId": chain.chain_id,
                        "verifyingContract": chain.escrow,
                    },
                    "order": "JobOrder(address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline)",
                    "deposit": ["deposit", "depositFor", "depositWithPermit", "depositWithAuthorization"],
                    "prices": models.collect::<Vec<_>>(),
                    "openapi": format!("{url}/openapi.json"),
                },
                "schema": { "type": "object" },
            },
        },
    }))
}
