//! `swarm submit`: from a scan on this machine to a job, once, whatever breaks in between.

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::Wallet;
use swarm_client::QueenClient;
use swarm_store::{age, archive};
use swarm_types::api::{BlobRef, Info, Job, JobStatus, Quote, SubmitJob, recipient_message};
use swarm_types::digest::{input_digest, salted};
use swarm_types::eip712::Domain;
use swarm_types::order::Order;
use swarm_types::signature::eip191_message;
use swarm_types::{Address, B256, JobId, MicroUsdc, sha256};

use super::{quote, result, watch};
use crate::cli::SubmitArgs;
use crate::exit::Failure;
use crate::orders::{OpenOrder, Orders, Stored, Subject};
use crate::progress::Progress;
use crate::scan::{self, Scan};
use crate::session::Session;

/// What `--json` prints.
#[derive(Serialize)]
struct Submitted {
    job_id: JobId,
    status: JobStatus,
    fee: MicroUsdc,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    result: Option<result::Written>,
}

/// `swarm submit`.
pub async fn run(session: &Session, args: SubmitArgs) -> Result<()> {
    let scan = scan::read(&args)?;
    session.out.progress(format!("the scan: {}", scan.summary));
    let (wallet, identity) = (session.wallet()?, session.identity()?);
    let queen = session.signing_queen()?;
    let info = session.info(&queen).await?;
    let quote = quote::get(&queen, &info, &args.job_type).await?;
    if let Some(max) = args.max_fee.filter(|max| *max < quote.fee) {
        let text = format!(
            "the fee is {}, more than --max-fee {max}; nothing was sent",
            quote.fee
        );
        return Err(Failure::refused(text).into());
    }
    let submission = Submission {
        session,
        args: &args,
        wallet: &wallet,
        reply_to: identity.recipient().to_string(),
        queen: &queen,
        info: &info,
        quote: &quote,
    };
    let mut job = submission.place(scan).await?;

    let mut written = None;
    if args.wait || args.out.is_some() {
        if !job.status.is_terminal() {
            session
                .out
                .progress(format!("{} costs {}", job.job_id, job.fee));
            job = watch::until_done(&queen, job.job_id).await?;
        }
        written = Some(result::fetch(session, &queen, &info, &job, args.out.as_deref()).await?);
    }
    let submitted = Submitted {
        job_id: job.job_id,
        status: job.status,
        fee: job.fee,
        result: written,
    };
    session
        .out
        .print(&submitted, |submitted, out| match &submitted.result {
            Some(written) => written.describe(out, submitted.job_id, submitted.fee),
            None => format!(
                "{id} is {}, for {} once it completes\nswarm job show {id}     where it is\n\
             swarm job result {id}   fetch its result",
                submitted.status,
                submitted.fee,
                id = out.bold(submitted.job_id),
            ),
        })
}

/// What a submission works with.
struct Submission<'a> {
    session: &'a Session,
    args: &'a SubmitArgs,
    wallet: &'a Wallet,
    reply_to: String,
    queen: &'a QueenClient,
    info: &'a Info,
    quote: &'a Quote,
}

impl Submission<'_> {
    fn client(&self) -> Address {
        self.args.client.unwrap_or(self.wallet.address())
    }

    /// The job of this scan: the one it has, or a new one.
    async fn place(&self, scan: Scan) -> Result<Job> {
        let subject = Subject {
            escrow: self.info.escrow,
            client: self.client(),
            job_type: &self.quote.job_type,
            model: self.quote.model,
            scan: scan.digest,
        };
        let name = subject.name();
        let orders = Orders(&self.session.home);
        let _held_until_answered = orders.lock(&name)?;
        match orders.find(&name)? {
            Some(Stored::Open(order)) => {
                if let Some(job) = self.resume(&orders, &name, &order).await? {
                    return Ok(job);
                }
            }
            Some(Stored::Placed(id)) if !self.args.again => {
                if let Some(job) = self.standing(id).await? {
                    return Ok(job);
                }
            }
            _ => {}
        }
        let (order, ciphertext) = self.order(scan).await?;
        orders.open(&name, order.clone(), &ciphertext)?;
        self.send(&orders, &name, &order, ciphertext).await
    }

    /// The job that this scan has already, unless it ended without a result (and without a charge).
    async fn standing(&self, id: JobId) -> Result<Option<Job>> {
        match self.queen.job(id).await {
            Ok(job) if job.status.is_terminal() && job.status != JobStatus::Completed => Ok(None),
            Ok(job) => {
                let text = format!("this scan is {id} already (--again pays for another run)");
                self.session.out.progress(text);
                Ok(Some(job))
            }
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("ask for {id}, which this scan has")),
        }
    }

    /// Goes on with an order that was signed before and never answered. `None` when it cannot become a
    /// job any more, so that a new one is safe.
    async fn resume(
        &self,
        orders: &Orders<'_>,
        name: &str,
        order: &OpenOrder,
    ) -> Result<Option<Job>> {
        self.session
            .out
            .progress("this scan has an order that was not answered; going on with it");
        // It may have arrived, and be done by now: then its input is gone and only its nonce is known.
        match self.queen.submit(&order.request).await {
            Ok(job) => {
                orders.place(name, order, job.job_id)?;
                return Ok(Some(job));
            }
            Err(error) if error.problem().is_some() && !error.is_transient() => {}
            Err(error) => return Err(error).context("submit the order again"),
        }
        // Refused, so it is no job: a new order is safe, if that is what is asked for or all that is left.
        let signed = &order.request.order;
        let as_asked = self.args.max_fee.is_none_or(|max| max == signed.max_fee)
            && signed.max_fee >= self.quote.fee
            && order.request.reply_to == self.reply_to;
        if self.args.again || !as_asked || signed.deadline <= self.info.now {
            return Ok(None);
        }
        let ciphertext = orders.ciphertext(name)?;
        self.send(orders, name, order, ciphertext).await.map(Some)
    }

    async fn send(
        &self,
        orders: &Orders<'_>,
        name: &str,
        order: &OpenOrder,
        ciphertext: Vec<u8>,
    ) -> Result<Job> {
        let mut progress = Progress::new("upload");
        let mut shown = |done, total| progress.show(done, total, "encrypted scan");
        let upload = self.queen.upload_blob(ciphertext, &mut shown).await;
        upload.context("upload the encrypted scan (the same command goes on where it stopped)")?;
        drop(progress);
        let job = self.queen.submit(&order.request).await;
        let job = job.context("submit the order (the same command tries the same order again, --again makes a new one)")?;
        orders.place(name, order, job.job_id)?;
        Ok(job)
    }

    /// A new order, signed, and the scan encrypted to the bees that may take it.
    async fn order(&self, scan: Scan) -> Result<(OpenOrder, Vec<u8>)> {
        let within = self.args.within.as_secs();
        if within == 0 || within > self.info.max_order_life_seconds {
            let max = std::time::Duration::from_secs(self.info.max_order_life_seconds);
            let text = format!(
                "--within must be from 1s to {}",
                humantime::format_duration(max)
            );
            return Err(Failure::usage(text).into());
        }
        let recipients = self.recipients().await?;
        let (files, study) = scan.deidentify(self.args.burned_in_ok)?;
        let salt = B256::new(random()?);
        let input = salted(&salt, &input_digest(&files));
        let ciphertext = age::encrypt(&archive::pack(&files)?, &recipients)?;
        drop(files);
        if ciphertext.len() as u64 > self.info.max_input_bytes {
            let text = format!(
                "the scan has {} bytes and the queen takes {} at most; nothing was sent",
                ciphertext.len(),
                self.info.max_input_bytes
            );
            return Err(Failure::refused(text).into());
        }
        let order = Order {
            client: self.client(),
            model: self.quote.model,
            input,
            max_fee: self.args.max_fee.unwrap_or(self.quote.fee),
            nonce: u64::from_be_bytes(random()?),
            // The queen's clock: she is the one who compares.
            deadline: self.info.now + within,
        };
        let domain = Domain::new(self.info.chain_id, self.info.escrow);
        let request = SubmitJob {
            job_type: self.quote.job_type.clone(),
            signature: self.wallet.sign(&order.digest(&domain)),
            order,
            salt,
            input: BlobRef {
                sha256: sha256(&ciphertext),
                size: ciphertext.len() as u64,
            },
            reply_to: self.reply_to.clone(),
            client_ens: None,
        };
        let order = OpenOrder {
            escrow: self.info.escrow,
            request,
            study,
        };
        Ok((order, ciphertext))
    }

    /// The bees that may take the job, each with a recipient that its own key signed.
    async fn recipients(&self) -> Result<Vec<age::Recipient>> {
        let listed = self.queen.recipients(self.quote.model).await;
        let listed = listed.context("ask for the bees that may take the job")?;
        if listed.is_empty() {
            let text = "no approved bee can take this job now; `swarm bee list` shows why. Nothing was sent";
            return Err(Failure::refused(text).into());
        }
        let mut recipients = Vec::with_capacity(listed.len());
        for bee in &listed {
            let digest = eip191_message(recipient_message(&bee.recipient).as_bytes());
            if bee.signature.recover(&digest) != Ok(bee.worker) {
                let text = format!(
                    "the queen names a recipient for bee {} that this bee did not sign: \
                     somebody may want to read your scan; nothing was sent",
                    bee.worker
                );
                return Err(Failure::check(text).into());
            }
            recipients.push(bee.recipient.parse()?);
        }
        Ok(recipients)
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| anyhow::anyhow!("the system gives no random numbers: {e}"))?;
    Ok(bytes)
}
