//! `swarm model`: packages made, proven, brought to the queen, switched, fetched.

mod compile;
mod local;
mod template;

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_client::QueenClient;
use swarm_package::{Package, read_dir, read_tar, write_tar};
use swarm_types::api::{ModelDetail, ModelInfo};
use swarm_types::{B256, hex};

use crate::cli::ModelCommand;
use crate::exit::Failure;
use crate::output::{Output, fields, table, time};
use crate::progress::Progress;
use crate::session::Session;

/// `swarm model …`.
pub async fn run(session: &Session, command: ModelCommand) -> Result<()> {
    match command {
        ModelCommand::New(args) => template::run(session, &args),
        ModelCommand::Verify {
            package,
            onnxruntime,
        } => local::verify(session, &package, onnxruntime),
        ModelCommand::Compile(args) => compile::run(session, args),
        ModelCommand::Push { package, activate } => push(session, &package, activate).await,
        ModelCommand::List { all } => {
            let queen = session.queen()?;
            let models = match all {
                true => queen.all_models().await?,
                false => queen.models().await?,
            };
            session.out.print(&models, |models, _| list(models))
        }
        ModelCommand::Show { model } => {
            let queen = session.queen()?;
            let detail = queen.model(resolve(&queen, &model).await?).await?;
            session.out.print(&detail, show)
        }
        ModelCommand::Activate { model } => switch(session, &model, true).await,
        ModelCommand::Deactivate { model } => switch(session, &model, false).await,
        ModelCommand::Delete { model } => {
            let queen = session.signing_queen()?;
            let digest = resolve(&queen, &model).await?;
            queen.delete_model(digest).await?;
            let deleted = Deleted { digest };
            session.out.print(&deleted, |gone, _| {
                format!("{} is deleted; bees drop it", gone.digest)
            })
        }
        ModelCommand::Pull { model, out } => pull(session, &model, &out).await,
    }
}

#[derive(Serialize)]
struct Deleted {
    digest: B256,
}

#[derive(Serialize)]
struct Pulled {
    digest: B256,
    files: Vec<std::path::PathBuf>,
}

/// The digest that the user means: a digest, a name, or NAME@VERSION.
async fn resolve(queen: &QueenClient, text: &str) -> Result<B256> {
    if let Ok(digest) = text.parse() {
        return Ok(digest);
    }
    let models = queen
        .all_models()
        .await
        .context("ask which models there are")?;
    let named: Vec<&ModelInfo> = models
        .iter()
        .filter(|model| model.name == text || format!("{}@{}", model.name, model.version) == text)
        .collect();
    match named.as_slice() {
        [model] => Ok(model.digest),
        [] => {
            let text = format!("there is no model {text}; `swarm model list --all` shows them");
            Err(Failure::usage(text).into())
        }
        several => {
            let versions: Vec<String> = several
                .iter()
                .map(|model| format!("{}@{}", model.name, model.version))
                .collect();
            let text = format!("{text} is several models: say {}", versions.join(" or "));
            Err(Failure::usage(text).into())
        }
    }
}

async fn push(session: &Session, path: &Path, activate: bool) -> Result<()> {
    let shown = path.display();
    let files = match path.is_dir() {
        true => read_dir(path),
        false => {
            let file = std::fs::File::open(path).with_context(|| format!("open {shown}"))?;
            read_tar(std::io::BufReader::new(file))
        }
    };
    let files = files.with_context(|| format!("{shown} is no model package"))?;
    let mut tar = Vec::new();
    write_tar(&files, &mut tar).with_context(|| format!("pack {shown}"))?;
    // Here and not only at the queen: what she would refuse needs no upload.
    let package = Package::from_files(files).with_context(|| format!("{shown} is refused"))?;
    let (name, digest) = (package.head().name.to_owned(), package.digest());
    let queen = session.signing_queen()?;
    let mut progress = Progress::new(name);
    let mut told = |done, total| progress.show(done, total, "upload");
    let detail = queen.upload_model(tar, &mut told).await;
    let mut detail = detail.context("upload the package")?;
    drop(progress);
    if detail.model.digest != digest {
        let text = format!(
            "the queen took it for {}, here it is {digest}",
            detail.model.digest
        );
        return Err(Failure::check(text).into());
    }
    if activate {
        let active = queen.set_model_active(digest, true).await;
        detail = active.context("activate the model")?;
    }
    session.out.print(&detail, |detail, out| {
        let next = match detail.model.active {
            true => "bees pull it; `swarm model show` says which serve it".to_owned(),
            false => format!("swarm model activate {digest}   lets it be ordered"),
        };
        format!("{}\n{next}", show(detail, out))
    })
}

async fn switch(session: &Session, model: &str, active: bool) -> Result<()> {
    let queen = session.signing_queen()?;
    let digest = resolve(&queen, model).await?;
    let detail = queen.set_model_active(digest, active).await?;
    session.out.print(&detail, show)
}

async fn pull(session: &Session, model: &str, out: &Path) -> Result<()> {
    let queen = session.signing_queen()?;
    let digest = resolve(&queen, model).await?;
    let detail = queen.model(digest).await?;
    let Some(blob) = detail.model.package else {
        let text = "this model lies in the queen's models directory and was not uploaded";
        return Err(Failure::refused(text).into());
    };
    if out.exists() {
        let text = format!("{} is there already; name a new directory", out.display());
        return Err(Failure::usage(text).into());
    }
    // Beside it and by the digest: a pull that broke goes on when it is asked for again.
    let part = out.with_added_extension(format!("{}.part", hex::encode(digest)));
    let above = out.parent().unwrap_or(out);
    std::fs::create_dir_all(above).with_context(|| format!("create {}", above.display()))?;
    let mut progress = Progress::new(detail.model.name.clone());
    let mut told = |done, total| progress.show(done, total, "download");
    let pulled = queen.download_model(digest, blob, &part, &mut told).await;
    drop(progress);
    pulled.with_context(|| {
        // One that holds nothing goes; it may never have been made.
        let empty = std::fs::metadata(&part).is_ok_and(|part| part.len() == 0);
        if empty && std::fs::remove_file(&part).is_ok() || !part.exists() {
            return "download the package".to_owned();
        }
        let part = part.display();
        format!("download the package; what came is in {part}, and the same command goes on there")
    })?;
    let tar = std::fs::File::open(&part).with_context(|| format!("open {}", part.display()))?;
    let files = read_tar(std::io::BufReader::new(tar)).context("read the package")?;
    let package = Package::from_files(files.clone()).context("read the package")?;
    package
        .expect_digest(digest)
        .context("the queen sent another package")?;
    let mut written = Vec::new();
    for (name, bytes) in &files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        written.push(path);
    }
    std::fs::remove_file(&part).with_context(|| format!("remove {}", part.display()))?;
    let pulled = Pulled {
        digest,
        files: written,
    };
    session.out.print(&pulled, |pulled, _| {
        let lines = pulled
            .files
            .iter()
            .map(|path| format!("{}\n", path.display()));
        lines.collect()
    })
}

fn list(models: &[ModelInfo]) -> String {
    let heading = [
        "name", "version", "type", "takes", "active", "fee", "bees", "digest",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for model in models {
        rows.push(vec![
            model.name.clone(),
            model.version.clone(),
            model.job_type.clone(),
            model.kind.clone(),
            yes(model.active),
            model.fee.to_string(),
            model.bees_online.to_string(),
            model.digest.to_string(),
        ]);
    }
    table(&rows)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn show(detail: &ModelDetail, out: &Output) -> String {
    let model = &detail.model;
    let mut rows = vec![
        (
            "model",
            out.bold(format!("{} {}", model.name, model.version)),
        ),
        ("digest", model.digest.to_string()),
        ("job type", model.job_type.clone()),
        ("takes", model.kind.clone()),
        ("licence", model.licence.clone()),
        ("active", yes(model.active)),
        ("fee", model.fee.to_string()),
        ("memory", format!("{} MiB", model.memory_mib)),
        ("open jobs", detail.open_jobs.to_string()),
    ];
    match (&model.package, detail.uploaded_at, detail.uploaded_by) {
        (Some(package), Some(at), Some(by)) => {
            rows.push(("package", format!("{} bytes", package.size)));
            rows.push(("uploaded", format!("{} by {by}", time(at))));
        }
        _ => rows.push(("package", "in the queen's models directory".into())),
    }
    let mut text = fields(&rows);
    for bee in &detail.bees {
        let standing = match (&bee.fault, bee.serves, bee.warm) {
            (Some(fault), _, _) => format!("does not serve it: {fault}"),
            (None, true, true) => "serves it".to_owned(),
            (None, _, _) => "serves it, and loads it when a job comes".to_owned(),
        };
        text.push_str(&format!("  {} {standing}\n", bee.name));
    }
    text
}
