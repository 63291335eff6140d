//! The main job, from the client's deposit to pay that a stranger can verify.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use swarm_chain::devchain::{DevChain, DevNames, NodeConfig, cache_dir};
use swarm_chain::ens::Name;
use swarm_contracts::Params;
use swarm_types::api::{Epoch, EpochStatus, Worker};
use swarm_types::{Address, MicroUsdc};

use super::DemoArgs;
use super::cast::Cast;
use super::process::{Process, Swarm};
use super::screen::Screen;

/// What the client deposits.
const DEPOSIT: MicroUsdc = MicroUsdc(5_000_000);
/// The challenge window; the development chain's clock is moved past it.
const WINDOW_SECONDS: u64 = 3_600;
/// How long a process may take to answer or an epoch to move.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const POLL: Duration = Duration::from_millis(300);

/// What runs. It is ended in order by [`Rack::stop`], and by dropping it.
pub struct Rack {
    bees: Vec<Process>,
    queen: Process,
    // Held for its drop, which ends the chain after everybody who uses it.
    _chain: DevChain,
}

impl Rack {
    /// Waits for ever; fails when a process ends.
    pub async fn watch(&mut self) -> Result<()> {
        loop {
            self.check()?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends everything, bees first: they drain.
    pub async fn stop(self) -> Result<()> {
        for bee in self.bees {
            bee.stop().await?;
        }
        self.queen.stop().await
    }

    fn check(&mut self) -> Result<()> {
        self.queen.check()?;
        self.bees.iter_mut().try_for_each(Process::check)
    }
}

/// Tells the story; what it started is in the answer.
pub async fn tell(args: &DemoArgs, dir: &Path) -> Result<Rack> {
    let mut screen = Screen::new();
    let programs = std::env::current_exe().context("find this program")?;
    let swarm = Swarm::new(
        programs.with_file_name("swarm"),
        format!("http://127.0.0.1:{}", args.port),
        format!("http://127.0.0.1:{}", args.chain_port),
    );
    let cast = Cast::gather(&swarm, dir).await?;

    screen.step("A chain, with Circle's own USDC code and the escrow");
    let chain = start_chain(args, &cast).await?;
    screen.line(format!("chain id 84532 at {}", chain.rpc_url));
    screen.line(format!("USDC     {} (FiatTokenV2_2)", chain.token));
    screen.line(format!("escrow   {}", chain.escrow));
    let registry = give_names(&chain, &cast).await?;
    screen.line(format!("names    {registry} (ENS)"));

    screen.step("A queen and two bees, each a process with its own key");
    let mut rack = start_rack(args, dir, &programs, &cast, chain, registry).await?;
    wait_for_bees(&swarm, &cast, &mut rack, 2, |_| true).await?;
    for (bee, payee) in cast.bees.iter().zip(&cast.bee_payees) {
        let (bee, payee) = (bee.address.to_string(), payee.address.to_string());
        swarm
            .json(
                &cast.operator.home,
                &["bee", "approve", &bee, "--payee", &payee],
            )
            .await?;
    }
    let bees = wait_for_bees(&swarm, &cast, &mut rack, 2, |bee| bee.ready).await?;
    for bee in &bees {
        screen.line(format!(
            "{} {} on {}",
            bee.name, bee.worker, bee.device.name
        ));
    }

    screen.step(&format!(
        "The client deposits {DEPOSIT} and waits until the block is safe"
    ));
    let deposit = swarm
        .json(&cast.client.home, &["deposit", &DEPOSIT.dollars()])
        .await?;
    screen.line(format!("transaction {}", text(&deposit, "transaction")?));

    screen.step("Two scans: a DICOM series with a patient in it, and a NIfTI");
    let scan = cache_dir().join("scan/ch2.nii.gz");
    ensure!(
        scan.is_file(),
        "{} is missing: run scripts/setup",
        scan.display()
    );
    let series = cast.client.home.join("series");
    let made = swarm
        .json(
            &cast.client.home,
            &["dev", "series", path(&scan)?, path(&series)?],
        )
        .await?;
    screen.line("a head (Colin27), oblique, encrypted to the bees once its patient is taken out");
    let jobs = submit_both(&swarm, &cast, &scan, &series, dir).await?;
    for job in &jobs {
        screen.line(format!(
            "{} ({}) → {}",
            text(job, "job_id")?,
            text(job, "input")?,
            text(job, "out")?
        ));
    }

    screen.step("Both bees have been ready for a while; the operator seals the epoch");
    wait_for_bees(&swarm, &cast, &mut rack, 2, |bee| bee.ready_seconds > 0).await?;
    let sealed = swarm.json(&cast.operator.home, &["seal"]).await?;
    let epoch = text(&sealed, "epoch_id")?.to_string();
    let included = wait_for_epoch(&swarm, &cast, &mut rack, &epoch, EpochStatus::Included).await?;
    let settlement = included
        .transaction
        .context("the settled epoch names no transaction")?;
    screen.line(format!(
        "{epoch}: {} receipts, {}, settled by {settlement}",
        included.jobs_count, included.total_revenue
    ));

    screen.step("The chain's clock is moved past the challenge window; the workers claim");
    rack._chain.advance(WINDOW_SECONDS + 60).await?;
    wait_for_epoch(&swarm, &cast, &mut rack, &epoch, EpochStatus::Finalized).await?;
    let mut claims = Vec::new();
    for (name, payee) in cast.payees() {
        let claim = swarm.json(&payee.home, &["claim"]).await?;
        screen.line(format!("{name:<9} {}", text(&claim, "transaction")?));
        claims.push(json!({ "who": name, "payee": payee.address, "claim": claim }));
    }

    screen.step("A stranger checks it all, from the bundle and the chain alone");
    let bundle = dir.join("bundle").join(&epoch);
    let audit = swarm
        .json(
            &dir.join("stranger"),
            &["audit", &epoch, "--save", path(&bundle)?],
        )
        .await?;
    report_checks(&screen, "swarm audit", &audit)?;
    for job in &jobs {
        let verified = swarm
            .json(
                &dir.join("stranger"),
                &["receipt", "verify", text(job, "job_id")?],
            )
            .await?;
        report_checks(
            &screen,
            &format!("swarm receipt verify {}", text(job, "job_id")?),
            &verified,
        )?;
    }
    independent_check(&screen, &bundle, &rack._chain.rpc_url).await?;

    let told = super::closing::Told {
        args,
        dir,
        chain: &rack._chain,
        cast: &cast,
        jobs: &jobs,
        epoch: &included,
        deposit: &deposit,
        claims: &claims,
        bundle: &bundle,
        patient: &made["patient"],
    };
    told.close(&screen)?;
    Ok(rack)
}

async fn start_chain(args: &DemoArgs, cast: &Cast) -> Result<DevChain> {
    let config = NodeConfig {
        block_seconds: Some(1),
        port: Some(args.chain_port),
        ..NodeConfig::default()
    };
    let params = Params {
        token: Address::ZERO,
        owner: cast.owner.address,
        guardian: cast.guardian.address,
        settlers: vec![cast.settler.address],
        threshold: 1,
        default_cap: MicroUsdc(10_000_000),
        window: WINDOW_SECONDS,
        exit_delay: 2 * 86_400,
        role_delay: 4 * 86_400,
        settlement_timeout: 14 * 86_400,
        max_seal_age: 86_400,
        max_pause: 86_400,
    };
    let chain = DevChain::start(&config, params)
        .await
        .context("start the development chain")?;
    chain
        .mint(cast.client.address, MicroUsdc(10_000_000))
        .await?;
    // The guardian has nothing to do here; whoever wants to see a void epoch can (`swarm contract void`).
    let paying = [&cast.client, &cast.gas, &cast.guardian]
        .into_iter()
        .chain(cast.payees().map(|(_, player)| player));
    for player in paying {
        chain.node.fund(player.address).await?;
    }
    Ok(chain)
}

/// Names for the client and the bees, in both directions, on ENS's own contracts; the registry.
async fn give_names(chain: &DevChain, cast: &Cast) -> Result<Address> {
    let names = DevNames::install(&chain.node)
        .await
        .context("install ENS")?;
    let named = [
        ("client", &cast.client),
        ("bee-01", &cast.bees[0]),
        ("bee-02", &cast.bees[1]),
    ];
    for (label, player) in named {
        let name: Name = format!("{label}.demo.eth").parse().context("a name")?;
        names.point(&name, player.address).await?;
        names.claim(player.address, name.as_str()).await?;
    }
    Ok(names.registry)
}

async fn start_rack(
    args: &DemoArgs,
    dir: &Path,
    program: &Path,
    cast: &Cast,
    chain: DevChain,
    registry: Address,
) -> Result<Rack> {
    let logs = dir.join("logs");
    std::fs::create_dir_all(&logs).context("create the directory of logs")?;
    let models = cache_dir().join("models");
    let config = dir.join("queen.toml");
    std::fs::write(
        &config,
        super::settings::queen(args, dir, &models, cast, &chain, registry),
    )
    .context("write queen.toml")?;
    let queen = Process::start(
        "queen",
        program,
        &["queen", "--config", path(&config)?],
        &logs,
    )?;
    let mut bees = Vec::new();
    for (n, bee) in cast.bees.iter().enumerate() {
        let name = format!("bee-{:02}", n + 1);
        let config = dir.join(format!("{name}.toml"));
        std::fs::write(
            &config,
            super::settings::bee(args, dir, &name, &models, bee),
        )
        .context("write a bee's toml")?;
        bees.push(Process::start(
            &name,
            program,
            &["bee", "--config", path(&config)?],
            &logs,
        )?);
    }
    Ok(Rack {
        bees,
        queen,
        _chain: chain,
    })
}

/// Submits the series and the NIfTI at the same time, so that each bee has one; waits for both results.
async fn submit_both(
    swarm: &Swarm,
    cast: &Cast,
    scan: &Path,
    series: &Path,
    dir: &Path,
) -> Result<[Value; 2]> {
    let submit = async |input: &Path, kind: &str| -> Result<Value> {
        let out = dir.join("results").join(kind);
        let arguments = [
            "submit",
            path(input)?,
            "--type",
            "brain_mri",
            "--wait",
            "--out",
            path(&out)?,
        ];
        let mut job = swarm
            .json(&cast.client.home, &arguments)
            .await
            .with_context(|| format!("submit the {kind}"))?;
        job["input"] = json!(kind);
        job["out"] = json!(out);
        Ok(job)
    };
    let (dicom, nifti) = tokio::try_join!(submit(series, "dicom"), submit(scan, "nifti"))?;
    Ok([dicom, nifti])
}

async fn wait_for_bees(
    swarm: &Swarm,
    cast: &Cast,
    rack: &mut Rack,
    count: usize,
    is_there: impl Fn(&Worker) -> bool,
) -> Result<Vec<Worker>> {
    let started_instant = Instant::now();
    loop {
        rack.check()?;
        // The queen may not listen yet.
        if let Ok(list) = swarm
            .quiet_json(&cast.operator.home, &["bee", "list"])
            .await
        {
            let bees: Vec<Worker> = serde_json::from_value(list).context("swarm bee list")?;
            if bees.iter().filter(|bee| is_there(bee)).count() >= count {
                return Ok(bees);
            }
        }
        if started_instant.elapsed() > PATIENCE {
            bail!(
                "the bees did not come up within {} s: see the logs",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn wait_for_epoch(
    swarm: &Swarm,
    cast: &Cast,
    rack: &mut Rack,
    id: &str,
    status: EpochStatus,
) -> Result<Epoch> {
    let started_instant = Instant::now();
    loop {
        rack.check()?;
        let shown = swarm
            .quiet_json(&cast.operator.home, &["epoch", "show", id])
            .await?;
        let epoch: Epoch =
            serde_json::from_value(shown["epoch"].clone()).context("swarm epoch show")?;
        if epoch.status == status {
            return Ok(epoch);
        }
        if started_instant.elapsed() > PATIENCE {
            bail!(
                "{id} is {} and not {status} after {} s: {}",
                epoch.status,
                PATIENCE.as_secs(),
                epoch.note.unwrap_or_default()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

fn report_checks(screen: &Screen, what: &str, report: &Value) -> Result<()> {
    let checks = report["checks"]
        .as_array()
        .with_context(|| format!("{what} lists no checks"))?;
    let held = checks.iter().filter(|check| check["ok"] == true).count();
    screen.line(format!("{what}: {held} of {} checks hold", checks.len()));
    ensure!(
        report["ok"] == true && held == checks.len() && held > 0,
        "{what} found something wrong: {report}"
    );
    Ok(())
}

/// The checker in Python that shares no code with this program.
async fn independent_check(screen: &Screen, bundle: &Path, rpc_url: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify-epoch.py");
    let output = tokio::process::Command::new("python3")
        .arg(&script)
        .arg(bundle)
        .arg(rpc_url)
        .kill_on_drop(true)
        .output()
        .await
        .context("run scripts/verify-epoch.py")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "scripts/verify-epoch.py: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    screen.line(format!("scripts/verify-epoch.py: {}", said.trim()));
    Ok(())
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key]
        .as_str()
        .with_context(|| format!("{key} is missing in {value}"))
}

fn path(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
