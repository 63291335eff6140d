//! A client with a key of its own, who asks again until it is answered.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use swarm_chain::Wallet;
use swarm_client::{ClientError, QueenClient, Tls};
use swarm_store::archive::ArchiveLimits;
use swarm_store::{age, archive};
use swarm_types::api::{Job, SubmitJob};
use swarm_types::digest::{input_digest, manifest_digest, salted};
use swarm_types::eip712::Domain;
use swarm_types::order::Order;
use swarm_types::{Address, B256, JobId, MicroUsdc, Signature65, sha256};

use super::model::{JOB_TYPE, scan};
use super::process::PATIENCE;
use super::until;

/// What a job costs.
pub const FEE: MicroUsdc = MicroUsdc(100_000);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// Numbers that no two orders and no two requests share.
static NONCES: AtomicU64 = AtomicU64::new(1);

pub fn nonce() -> u64 {
    NONCES.fetch_add(1, Ordering::Relaxed)
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// A client.
pub struct Customer {
    pub key: PrivateKeySigner,
    pub wallet: Wallet,
    pub identity: age::Identity,
    pub queen: QueenClient,
    pub domain: Domain,
    pub model: B256,
}

/// An order with what belongs to it, ready to be brought to the queen as often as it takes.
#[derive(Clone)]
pub struct Parcel {
    pub ciphertext: Vec<u8>,
    pub order: SubmitJob,
}

impl Customer {
    pub fn new(queen: &str, domain: Domain, model: B256) -> Self {
        let key = PrivateKeySigner::random();
        Self {
            wallet: Wallet::from_bytes(&key.to_bytes()).expect("a key"),
            identity: age::Identity::generate(),
            queen: QueenClient::new(queen, Tls::Plain, Some(key.clone())).expect("a URL"),
            key,
            domain,
            model,
        }
    }

    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// An order of a scan of its own, to be done within an hour.
    pub async fn parcel(&self) -> Parcel {
        let recipients = self.recipients(self.model).await;
        self.parcel_to(&recipients, now() + 3_600)
    }

    /// The bees that may take a job; a queen that was killed just now has to hear from them first.
    async fn recipients(&self, model: B256) -> Vec<age::Recipient> {
        let listed = until("a bee may take the job", async || {
            let listed = patiently(async || self.queen.recipients(model).await).await;
            (!listed.is_empty()).then_some(listed)
        })
        .await;
        let recipients = listed.iter().map(|r| r.recipient.parse());
        recipients.collect::<Result<_, _>>().expect("recipients")
    }

    /// The same for these recipients and this deadline.
    pub fn parcel_to(&self, recipients: &[age::Recipient], deadline: u64) -> Parcel {
        let nonce = nonce();
        let files = vec![("scan.nii.gz".to_owned(), scan(nonce as u8))];
        let tar = archive::pack(&files).expect("packed");
        self.parcel_of(&tar, input_digest(&files), recipients, nonce, deadline)
    }

    /// The same for these bytes, whose digest is said to be `input`.
    pub fn parcel_of(
        &self,
        tar: &[u8],
        input: B256,
        recipients: &[age::Recipient],
        nonce: u64,
        deadline: u64,
    ) -> Parcel {
        let ciphertext = age::encrypt(tar, recipients).expect("encrypted");
        let salt = sha256(nonce.to_be_bytes());
        let order = Order {
            client: self.address(),
            model: self.model,
            input: salted(&salt, &input),
            max_fee: FEE,
            nonce,
            deadline,
        };
        Parcel {
            order: SubmitJob {
                job_type: JOB_TYPE.into(),
                signature: self.sign(&order),
                order,
                salt,
                input: swarm_types::api::BlobRef {
                    sha256: sha256(&ciphertext),
                    size: ciphertext.len() as u64,
                },
                reply_to: self.identity.recipient().to_string(),
                client_ens: None,
            },
            ciphertext,
        }
    }

    /// An order of these files for another model, to be done within an hour.
    pub async fn parcel_for(
        &self,
        model: B256,
        job_type: &str,
        files: &[(String, Vec<u8>)],
    ) -> Parcel {
        let recipients = self.recipients(model).await;
        let tar = archive::pack(files).expect("packed");
        let input = input_digest(files);
        let mut parcel = self.parcel_of(&tar, input, &recipients, nonce(), now() + 3_600);
        parcel.order.job_type = job_type.into();
        parcel.order.order.model = model;
        parcel.order.signature = self.sign(&parcel.order.order);
        parcel
    }

    pub fn sign(&self, order: &Order) -> Signature65 {
        let signature = self.key.sign_hash_sync(&order.digest(&self.domain));
        signature.expect("signs").into()
    }

    /// Uploads and orders, again and again until the queen has answered.
    pub async fn bring(&self, parcel: &Parcel) -> Job {
        self.upload(parcel).await;
        patiently(async || self.queen.submit(&parcel.order).await).await
    }

    pub async fn upload(&self, parcel: &Parcel) {
        patiently(async || {
            let bytes = parcel.ciphertext.clone();
            self.queen.upload_blob(bytes, &mut |_, _| {}).await
        })
        .await;
    }

    /// A job from the scan to its accepted order.
    pub async fn order(&self) -> JobId {
        let parcel = self.parcel().await;
        self.bring(&parcel).await.job_id
    }

    pub async fn job(&self, id: JobId) -> Job {
        patiently(async || self.queen.job(id).await).await
    }

    /// Waits until nothing more happens to the job.
    pub async fn ended(&self, id: JobId) -> Job {
        let since = Instant::now();
        loop {
            let job = self.job(id).await;
            if job.status.is_terminal() {
                return job;
            }
            if since.elapsed() > PATIENCE {
                let why = self.queen.why(id).await;
                panic!("{id} does not end: {job:?}, {why:?}");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The result's files, checked against what the worker stated.
    pub async fn result(&self, id: JobId) -> Vec<(String, Vec<u8>)> {
        let result = patiently(async || self.queen.result(id).await).await;
        let blob = patiently(async || {
            self.queen
                .download_blob(result.result, &mut |_, _| {})
                .await
        })
        .await;
        let tar = age::decrypt(&blob, &self.identity, 1 << 24).expect("for this client");
        let files = archive::unpack(&tar, &ArchiveLimits::default())
            .expect("a tar")
            .to_vec();
        assert_eq!(manifest_digest(&files), result.manifest);
        assert_eq!(
            salted(&result.salt, &result.manifest),
            result.execution.result
        );
        files
    }
}

/// Asks until there is an answer; a refusal fails the test.
pub async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, ClientError>>,
{
    let since = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if error.is_transient() && since.elapsed() < PATIENCE => {}
            Err(error) => panic!("{error}: {error:?}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
