//! The command line, as `--help` teaches it.

mod model;
mod orb;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use swarm_types::{Address, EpochId, JobId, MicroUsdc};

pub use model::{CompileArgs, ModelCommand, NewModelArgs};
pub use orb::{ExportArgs, OrbCommand, SiteArgs};

const EXAMPLES: &str = "\
Examples:
  swarm key new                                    make a key and a place for results
  swarm deposit 5                                  put 5 USDC into the escrow
  swarm submit brain/ --type brain_mri --wait      send a DICOM series (folder or zip), wait
  swarm receipt verify job-001-0001                check that job against the chain
  swarm audit epoch-001                            check a whole epoch against the chain

Every command takes --json. Exit status: 0 done, 1 a check failed, 2 wrong usage,
3 refused, 4 the queen or the chain cannot be reached, 5 a file or key is at fault.";

/// SwarmOS for clients, operators and verifiers.
#[derive(Parser, Debug)]
#[command(name = "swarm", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What every command shares.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command. What is not given comes from config.toml in the home directory.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Directory with key, identity, config.toml and open orders
    #[arg(long, global = true, env = "SWARM_HOME", value_name = "DIR", default_value_os_t = default_home())]
    pub home: PathBuf,
    /// The queen's address, such as https://rack.example:8000
    #[arg(long, global = true, env = "SWARM_QUEEN", value_name = "URL")]
    pub queen: Option<String>,
    /// SHA-256 of the queen's certificate, for a queen with a certificate of her own
    #[arg(long, global = true, env = "SWARM_FINGERPRINT", value_name = "HEX")]
    pub fingerprint: Option<String>,
    /// RPC address of a node of the escrow's chain
    // Such addresses often hold a key, so --help does not repeat it.
    #[arg(
        long,
        global = true,
        env = "SWARM_RPC",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc: Option<String>,
    /// The escrow to trust, instead of the one that the queen names
    #[arg(long, global = true, env = "SWARM_ESCROW", value_name = "ADDRESS")]
    pub escrow: Option<Address>,
    /// Key file, if not `key` in the home directory (hex or keystore, mode 0600)
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// File with the password of a keystore
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

fn default_home() -> PathBuf {
    std::env::home_dir()
        .unwrap_or_default()
        .join(".config/swarm")
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Keys: who you are on the chain, and what results are encrypted to
    #[command(subcommand)]
    Key(KeyCommand),
    /// Put USDC into your account in the escrow, and wait until it counts
    #[command(
        after_help = "Needs USDC and a little ETH for gas at your address (swarm key show), and a node (--rpc).\n\nExample:\n  swarm deposit 5 --rpc https://sepolia.base.org"
    )]
    Deposit {
        /// Dollars, such as 5 or 0.50
        amount: MicroUsdc,
    },
    /// What you have and may spend
    Balance {
        /// Somebody else's account: an address, or a name that the chain resolves
        client: Option<String>,
    },
    /// Show or set the most that one epoch may charge you
    Cap {
        /// Dollars; lowering takes effect after the exit delay
        amount: Option<MicroUsdc>,
    },
    /// Other keys that may sign orders for you
    #[command(subcommand)]
    Signer(SignerCommand),
    /// What a job costs
    Quote {
        /// Job type
        #[arg(long = "type", value_name = "TYPE")]
        job_type: String,
    },
    /// Send a scan (a NIfTI file, DICOM files, or a directory with one series), or a .npy array for a model that takes one
    Submit(SubmitArgs),
    /// Your jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Receipts: what shows that a job was settled
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Take money out of the escrow
    #[command(subcommand)]
    Withdraw(WithdrawCommand),
    /// Take the pay that final epochs credited to you, or send a payee its pay
    Claim {
        /// Pay this payee (to its own address) instead of yourself; anyone may do that
        #[arg(long, value_name = "ADDRESS", conflicts_with = "to")]
        payee: Option<Address>,
        /// Pay to this address
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
    /// Epochs: what was settled together
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// Check an epoch's bundle against the chain, down to every signature
    #[command(
        after_help = "Recomputes every hash, sum and signature of the bundle and compares them with the chain.\nThe bundle names its own escrow: give --escrow to be sure which one it is.\n\nExamples:\n  swarm audit epoch-001 --rpc URL --queen URL\n  swarm audit 1 --bundle audit/epoch-001 --rpc URL --escrow 0x…"
    )]
    Audit {
        /// Such as epoch-001 or 1
        epoch: EpochId,
        /// Read the bundle from this directory instead of asking the queen
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
        /// Keep the bundle in this directory
        #[arg(long, value_name = "DIR", conflicts_with = "bundle")]
        save: Option<PathBuf>,
    },
    /// Operator: the rack on one screen: queen, bees, queue, epochs, power, money
    Status,
    /// Operator: the same, live, in the terminal (q quits, ? helps)
    Top {
        /// Time between two looks, beside those that an event causes
        #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
        every: std::time::Duration,
    },
    /// Operator: check this box and its way to queen and chain
    Doctor(DoctorArgs),
    /// Operator: collect what support needs, without secrets and without patients
    SupportBundle(SupportArgs),
    /// Operator: seal the open epoch now
    Seal,
    /// Operator: the bees
    #[command(subcommand)]
    Bee(BeeCommand),
    /// Model packages: make, prove, compile; for the operator: push, activate and the rest
    #[command(subcommand)]
    Model(ModelCommand),
    /// Operator: the contract
    #[command(subcommand)]
    Contract(ContractCommand),
    /// SwarmOrb: the explorer's index, and the explorer as a static site
    #[command(subcommand)]
    Orb(OrbCommand),
    /// Tools for demonstrations and tests
    #[command(subcommand)]
    Dev(DevCommand),
    /// Print a completion script: swarm completions bash > /etc/bash_completion.d/swarm
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `swarm key`.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a new key and a new identity in the home directory
    New,
    /// Show address and recipient
    Show,
    /// Take over a key from a file (64 hex digits or a keystore)
    Import {
        /// The file
        file: PathBuf,
    },
}

/// `swarm signer`.
#[derive(Subcommand, Debug)]
pub enum SignerCommand {
    /// Let a key sign orders for you, from now on
    Add {
        /// The key's address
        signer: Address,
    },
    /// End that, after the exit delay
    Remove {
        /// The key's address
        signer: Address,
    },
}

/// `swarm submit`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  swarm submit brain/ --type brain_mri --wait --out result/
  swarm submit t1.nii.gz --type brain_mri --max-fee 0.20 --within 30m
  swarm submit cd/ --series 1.2.840.113619.2.1 --type brain_mri --json
  swarm submit costs.npy --type route --wait

The scan is checked here before anything is sent: it must load and have a place in space. DICOM is
de-identified here; the map of its UIDs stays in the home directory. The scan is encrypted to the
bees that may take the job, so that the queen cannot read it. Sending the same scan again while its
job is open finds that job and pays once.")]
pub struct SubmitArgs {
    /// Files or directories
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Job type
    #[arg(long = "type", value_name = "TYPE")]
    pub job_type: String,
    /// Wait for the result
    #[arg(long)]
    pub wait: bool,
    /// Where to write the result (default: a directory named after the job); implies --wait
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// SeriesInstanceUID, when the input holds several series
    #[arg(long, value_name = "UID")]
    pub series: Option<String>,
    /// The pixels may carry burned-in text, and you have looked
    #[arg(long)]
    pub burned_in_ok: bool,
    /// The most to pay, in dollars (default: the quoted fee)
    #[arg(long, value_name = "DOLLARS")]
    pub max_fee: Option<MicroUsdc>,
    /// The job must be done within this time
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub within: std::time::Duration,
    /// Pay again for a scan whose job is open or done, or sign anew an order that was refused
    #[arg(long)]
    pub again: bool,
    /// The client that pays, when your key is one of its order signers
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<Address>,
}

/// Shortest interval of `swarm top`: the queen has other things to do.
const INTERVAL_MIN: std::time::Duration = std::time::Duration::from_millis(200);

fn interval(text: &str) -> Result<std::time::Duration, String> {
    let every = humantime::parse_duration(text)
        .map_err(|_| format!("'{text}' is not a duration with a unit, such as 2s"))?;
    match every >= INTERVAL_MIN {
        true => Ok(every),
        false => Err("at least 200ms".into()),
    }
}

/// `swarm doctor`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  swarm doctor                       this box, by the configurations in /etc/swarm
  swarm doctor --gate && echo good   for scripts: only what must hold for the box to be online
  swarm doctor --queen URL --json    a box with a bee, or none: the way to the queen

Exit status: 0 when nothing failed (warnings and what is unknown do not count), 1 when something did.")]
pub struct DoctorArgs {
    /// Directory with queen.toml and bee*.toml
    #[arg(long, value_name = "DIR", default_value = "/etc/swarm")]
    pub etc: PathBuf,
    /// Only the checks that decide whether the box may be online
    #[arg(long)]
    pub gate: bool,
}

/// `swarm support-bundle`.
#[derive(Args, Debug)]
#[command(after_help = "\
The bundle holds doctor's report, configurations, versions, the end of the journal, metrics, and counts
from the ledger. Keys, codes, passwords, tokens, paths, and whatever looks like a person's name are
taken out, and the whole is searched for this box's keys before it is written. Look into it all the
same before you send it: tar -tzvf FILE.

Examples:
  swarm support-bundle
  swarm support-bundle --log /var/log/swarm.log --out /tmp")]
pub struct SupportArgs {
    /// Directory with queen.toml and bee*.toml
    #[arg(long, value_name = "DIR", default_value = "/etc/swarm")]
    pub etc: PathBuf,
    /// A log file to take the end of, beside the journal; give as many as you like
    #[arg(long, value_name = "FILE")]
    pub log: Vec<PathBuf>,
    /// Directory to write the bundle to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
}

/// `swarm job`.
#[derive(Subcommand, Debug)]
pub enum JobCommand {
    /// List your jobs
    List {
        /// Only jobs in this state
        #[arg(long)]
        status: Option<swarm_types::api::JobStatus>,
    },
    /// Show a job
    Show {
        /// Such as job-001-0001
        job: JobId,
    },
    /// Say why a job is where it is, bee by bee
    Why {
        /// Such as job-001-0001
        job: JobId,
    },
    /// Fetch, decrypt and check a result
    Result {
        /// Such as job-001-0001
        job: JobId,
        /// Where to write it (default: a directory named after the job)
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Cancel a job that has not completed; nothing is charged
    Cancel {
        /// Such as job-001-0001
        job: JobId,
    },
}

/// `swarm receipt`.
#[derive(Subcommand, Debug)]
pub enum ReceiptCommand {
    /// Show a receipt with its proof
    Show {
        /// Such as job-001-0001
        job: JobId,
    },
    /// Check a receipt: signatures, leaf, path, and the root on the chain
    #[command(
        after_help = "Examples:\n  swarm receipt verify job-001-0001 --rpc URL\n  swarm receipt show job-001-0001 --json > receipt.json\n  swarm receipt verify receipt.json --rpc URL --escrow 0x…"
    )]
    Verify {
        /// Such as job-001-0001, or a file that `receipt show --json` wrote
        receipt: String,
        /// Check what the receipt holds by itself, and leave the chain out
        #[arg(long)]
        offline: bool,
    },
}

/// `swarm withdraw`.
#[derive(Subcommand, Debug)]
pub enum WithdrawCommand {
    /// Ask for money back; it can be paid after the exit delay. 0 takes the request back
    Request {
        /// Dollars
        amount: MicroUsdc,
    },
    /// Pay out what is due
    Execute {
        /// To this address (default: your own)
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
}

/// `swarm epoch`.
#[derive(Subcommand, Debug)]
pub enum EpochCommand {
    /// List epochs
    List,
    /// Show an epoch and its payouts
    Show {
        /// Such as epoch-001 or 1
        epoch: EpochId,
    },
}

/// `swarm bee`.
#[derive(Subcommand, Debug)]
pub enum BeeCommand {
    /// List the bees
    List,
    /// Let a bee work, and say where its earnings go
    #[command(
        after_help = "Example:\n  swarm bee approve 0xBEE… --payee 0xCOLD…   earnings go to a cold wallet"
    )]
    Approve {
        /// The bee's address
        bee: Address,
        /// Payout address
        #[arg(long, value_name = "ADDRESS")]
        payee: Address,
    },
    /// Let a bee finish what it has and take nothing new
    Drain {
        /// The bee's address
        bee: Address,
        /// Take it back into work
        #[arg(long)]
        undo: bool,
    },
    /// Make a one-time code with which a bee joins
    JoinCode,
}

/// `swarm contract`.
#[derive(Subcommand, Debug)]
pub enum ContractCommand {
    /// Deploy SwarmEscrow, after checking the chain and the token
    Deploy(Box<DeployArgs>),
    /// Show the escrow's roles, liabilities and settings
    Show,
    /// Guardian: void an epoch whose window is open; its charges and credits are undone
    #[command(
        after_help = "Settlement stops until the guardian resumes it: find out first what went wrong.\n\nExample:\n  swarm contract void 2 --key guardian.key --rpc URL --escrow 0x…"
    )]
    Void {
        /// Such as epoch-002 or 2
        epoch: EpochId,
    },
    /// Guardian: let settlement go on after a void
    Resume,
}

/// `swarm contract deploy`.
#[derive(Args, Debug)]
pub struct DeployArgs {
    /// The owner (a multisig): schedules role changes, nothing else
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Address,
    /// The guardian: voids, pauses, resumes
    #[arg(long, value_name = "ADDRESS")]
    pub guardian: Address,
    /// A settler's address; give as many as sign
    #[arg(long = "settler", value_name = "ADDRESS", required = true)]
    pub settlers: Vec<Address>,
    /// How many settlers must sign
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub threshold: u64,
    /// Only check and print what would be sent
    #[arg(long)]
    pub dry_run: bool,
    /// Where to write deployment.json: address, parameters, constructor arguments
    #[arg(long, value_name = "DIR", default_value = "deployment")]
    pub out: PathBuf,
}

/// `swarm dev`.
#[derive(Subcommand, Debug)]
pub enum DevCommand {
    /// Write an oblique DICOM series with an invented patient from a NIfTI scan
    Series {
        /// The scan (.nii or .nii.gz)
        scan: PathBuf,
        /// Where to write the slices
        out: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
