//! `swarm quote`: what a job costs, signed by the queen.

use anyhow::{Context, Result};
use swarm_client::QueenClient;
use swarm_types::api::{Info, Quote, QuoteRequest};
use swarm_types::signature::eip191_message;

use crate::exit::Failure;
use crate::output::{fields, time};
use crate::session::Session;

/// `swarm quote`.
pub async fn run(session: &Session, job_type: &str) -> Result<()> {
    let queen = session.queen()?;
    let info = session.info(&queen).await?;
    let quote = get(&queen, &info, job_type).await?;
    session.out.print(&quote, |quote, out| {
        fields(&[
            ("job type", quote.job_type.clone()),
            ("fee", out.bold(quote.fee)),
            ("model", quote.model.to_string()),
            ("holds until", time(quote.expires_at)),
        ])
    })
}

/// A quote for `job_type` that the queen's key signed.
pub async fn get(queen: &QueenClient, info: &Info, job_type: &str) -> Result<Quote> {
    let request = QuoteRequest {
        job_type: Some(job_type.to_owned()),
        model: None,
    };
    let quote = queen
        .quote(&request)
        .await
        .context("ask what the job costs")?;
    let text = format!(
        "swarm-quote\n{}\n{}\n{}",
        quote.model, quote.fee.0, quote.expires_at
    );
    if quote.signature.recover(&eip191_message(text.as_bytes())) != Ok(info.queen) {
        let text = format!(
            "the quote is not signed by the queen's key {}; nothing was sent",
            info.queen
        );
        return Err(Failure::check(text).into());
    }
    Ok(quote)
}
