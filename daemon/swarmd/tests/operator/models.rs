//! `swarm model …` and `swarm submit x.npy` as commands, on a real rack whose bee pulls over a line that breaks.

use std::path::{Path, PathBuf};

use serde_json::Value;
use swarm_host::keys;
use swarm_package::npy::{self, Array, OUTPUT_FILE};
use swarm_package::{Package, write_tar};
use swarm_types::hex;

use super::rack::model::{ROUTE, relax, relaxed};
use super::rack::{Rack, until};
use super::{Run, swarm};

/// Bytes of weights that nobody reads: a package that takes several answers over a line that breaks.
const PADDING: usize = 4 << 20;
/// After so many bytes a line breaks.
const CUT_AFTER: u64 = 1_500_000;
/// So often.
const CUTS: u32 = 2;

/// The command line of one person.
struct Person {
    home: PathBuf,
    key: PathBuf,
    queen: String,
}

impl Person {
    fn new(rack: &Rack, name: &str, key: &Path) -> Self {
        Self {
            home: rack.dir.path().join(name),
            key: key.to_owned(),
            queen: rack.base.clone(),
        }
    }

    /// For people.
    fn says(&self, arguments: &[&str]) -> Run {
        let key = self.key.display().to_string();
        let who = ["--queen", &self.queen, "--key", &key];
        swarm(&self.home, &[&who[..], arguments].concat())
    }

    /// As JSON, when it succeeds.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.says(&[&["--json"][..], arguments].concat());
        assert_eq!(run.status, 0, "{arguments:?}: {}", run.err);
        run.json()
    }

    /// That it ends with `status`, and says `words` to people and, with `kind`, as the queen's problem to programs.
    #[track_caller]
    fn refused(&self, arguments: &[&str], status: i32, kind: Option<&str>, words: &str) {
        let run = self.says(&[&["--json"][..], arguments].concat());
        assert_eq!(run.status, status, "{arguments:?}: {}{}", run.out, run.err);
        let report = run.json();
        assert_eq!(report["exit"], status, "{report:#}");
        let problem = report["problem"]["type"].as_str();
        let found = problem.and_then(|kind| kind.rsplit([':', '/']).next());
        assert_eq!(found, kind, "{report:#}");
        let said = run.err.lines().any(|line| line.starts_with("error: "));
        assert!(said, "{}", run.err);
        assert!(run.err.contains(words), "{words} in {}", run.err);
    }
}

fn write(dir: &Path, files: &[(String, Vec<u8>)]) {
    std::fs::create_dir_all(dir).expect("a directory");
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).expect("written");
    }
}

fn names(list: &Value) -> Vec<String> {
    let name = |model: &Value| {
        let part = |name: &str| model[name].as_str().expect("text").to_owned();
        format!("{}@{}", part("name"), part("version"))
    };
    list.as_array().expect("a list").iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_brings_a_model_and_a_client_orders_it_by_command() {
    let rack = Rack::with(|plan| plan.bees_on_a_line = true).await;
    let line = rack.line.as_ref().expect("a line");
    let dir = rack.dir.path();
    let text = |path: &Path| path.display().to_string();
    let operator = Person::new(&rack, "operators-home", &dir.join("operator.key"));
    let client_home = dir.join("clients-home");
    std::fs::create_dir(&client_home).expect("made");
    let client_key = client_home.join("key");
    keys::create_secret(&client_key, &hex::encode(rack.customer.key.to_bytes())).expect("a key");
    let identity = rack.customer.identity.secret_text();
    keys::create_secret(&client_home.join("identity"), &identity).expect("an identity");
    let client = Person::new(&rack, "clients-home", &client_key);

    let mut files = relax("1.0.0", "allow", false);
    files.push(("more.bin".into(), vec![7; PADDING]));
    let package = dir.join("relax");
    write(&package, &files);
    let digest = Package::from_dir(&package).expect("sound").digest();
    let path = text(&package);

    // What is wrong with a package is said before anything is sent.
    let damaged = dir.join("damaged");
    let mut onnx = files.clone();
    onnx[0].1.truncate(20);
    write(&damaged, &onnx);
    operator.refused(&["model", "push", &text(&damaged)], 5, None, "is refused: ");
    let garbage = dir.join("garbage.tar");
    std::fs::write(&garbage, [1; 2_000]).expect("written");
    let what = "is no model package";
    operator.refused(&["model", "push", &text(&garbage)], 5, None, what);
    let nowhere = text(&dir.join("nowhere"));
    operator.refused(&["model", "push", &nowhere], 5, None, &nowhere);
    let not = Some("not-operator");
    client.refused(&["model", "push", &path], 3, not, "operator");

    // Brought, and not to be ordered yet.
    let pushed = operator.says(&["model", "push", &path]);
    assert_eq!(pushed.status, 0, "{}", pushed.err);
    for said in [
        "relax 1.0.0",
        &digest.to_string(),
        "swarm model activate",
        "Apache-2.0",
    ] {
        assert!(pushed.out.contains(said), "{said} in {}", pushed.out);
    }
    let tar = dir.join("relax.tar");
    let mut packed = std::fs::File::create(&tar).expect("a file");
    write_tar(&files, &mut packed).expect("packed");
    let again = operator.json(&["model", "push", &text(&tar)]);
    assert_eq!(again["model"]["digest"], digest.to_string());
    assert_eq!(again["model"]["active"], false);
    write(&damaged, &relax("1.0.0", "refuse", false));
    let taken = Some("version-taken");
    let other = ["model", "push", &text(&damaged)];
    operator.refused(&other, 3, taken, "a version never changes");
    assert!(!names(&client.json(&["model", "list"])).contains(&"relax@1.0.0".into()));
    assert!(names(&client.json(&["model", "list", "--all"])).contains(&"relax@1.0.0".into()));
    let table = client.says(&["model", "list", "--all"]);
    let row = table.out.lines().find(|line| line.starts_with("relax"));
    let row = row.unwrap_or_else(|| panic!("{}", table.out));
    for cell in ["1.0.0", ROUTE, "tensor", "no", &digest.to_string()] {
        assert!(row.contains(cell), "{cell} in {row}");
    }
    let order = ["submit", "costs.npy", "--type", ROUTE];
    let missing = client.says(&order);
    assert_eq!(missing.status, 5, "no such file: {}", missing.err);

    // The bee pulls it, over a line that breaks on the way and that takes no byte twice.
    line.cut(CUT_AFTER, CUTS);
    let before = line.passed();
    client.refused(&["model", "activate", "relax"], 3, not, "operator");
    let active = operator.json(&["model", "activate", "relax@1.0.0"]);
    assert_eq!(active["model"]["active"], true);
    let shown = until("the bee serves it", async || {
        let shown = client.json(&["model", "show", "relax"]);
        let serves = shown["bees"][0]["serves"] == true;
        serves.then_some(shown)
    })
    .await;
    let size: u64 = shown["model"]["package"]["size"]
        .as_str()
        .and_then(|size| size.parse().ok())
        .expect("a size");
    let least = PADDING as u64;
    assert!(size > least, "{shown:#}");
    let passed = line.passed() - before;
    let twice = size + CUT_AFTER;
    assert_eq!(line.uncut(), 0, "{passed} bytes came");
    assert!((size..twice).contains(&passed), "{passed} of {size}");
    let told = client.says(&["model", "show", &digest.to_string()]);
    assert!(told.out.contains("bee-01 serves it"), "{}", told.out);

    // A client orders by an array, and gets one.
    let (inf, side) = (f32::INFINITY, 3);
    let values = vec![0.0, 4.0, 1.0, inf, 0.0, 2.0, 7.0, inf, 0.0];
    let expected = relaxed(&values, side);
    let shape = vec![side, side];
    let (costs, out) = (dir.join("costs.npy"), dir.join("ways"));
    std::fs::write(&costs, npy::write(&Array { shape, values })).expect("written");
    let (costs, into) = (text(&costs), text(&out));
    let done = client.json(&["submit", &costs, "--type", ROUTE, "--out", &into]);
    assert_eq!(done["status"], "completed", "{done:#}");
    let output = std::fs::read(out.join(OUTPUT_FILE)).expect("an array");
    let output = npy::read(&output).expect("an array");
    assert_eq!((output.shape, output.values), (vec![side, side], expected));
    let report = std::fs::read(out.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["model"]["digest"], digest.to_string(), "{report:#}");
    let passed_over = report["engines_passed_over"].as_array().expect("a list");
    assert_eq!(passed_over.len(), 3, "{report:#}");
    let job = done["job_id"].as_str().expect("an id");
    let standing = client.says(&["submit", &costs, "--type", ROUTE]);
    assert!(standing.out.contains(job), "the same job: {}", standing.out);
    let flat = dir.join("flat.npy");
    std::fs::write(&flat, b"no array").expect("written");
    let refused = ["submit", &text(&flat), "--type", ROUTE];
    client.refused(&refused, 5, None, ".npy");
    let unknown = ["submit", &costs, "--type", "no_such"];
    client.refused(&unknown, 3, Some("unknown-job-type"), "no model serves");

    // The operator fetches it, over the same line.
    let mut far = Person::new(&rack, "operators-home", &dir.join("operator.key"));
    far.queen = line.url();
    line.cut(CUT_AFTER, CUTS);
    let copy = dir.join("copies/relax");
    let pull = ["model", "pull", "relax", "--out", &text(&copy)];
    let pulled = far.json(&pull);
    assert_eq!(line.uncut(), 0);
    assert_eq!(pulled["digest"], digest.to_string());
    let copied = Package::from_dir(&copy).expect("sound");
    assert_eq!(copied.digest(), digest);
    far.refused(&pull, 2, None, "is there already");
    let theirs = dir.join("copies/theirs");
    let pull = ["model", "pull", "relax", "--out", &text(&theirs)];
    client.refused(&pull, 3, Some("not-reader"), "licence");
    let left = std::fs::read_dir(dir.join("copies")).expect("a directory");
    assert_eq!(left.count(), 1, "nothing is left of a pull");

    // Names that mean nothing, or too much.
    let nothing = "there is no model no_such";
    client.refused(&["model", "show", "no_such"], 2, None, nothing);
    let unknown = format!("0x{}", "ab".repeat(32));
    let missing = Some("not-found");
    client.refused(&["model", "show", &unknown], 3, missing, "no model has");
    let next = dir.join("next");
    write(&next, &relax("1.1.0", "allow", false));
    operator.json(&["model", "push", &text(&next)]);
    let both = "relax is several models: say relax@1";
    client.refused(&["model", "show", "relax"], 2, None, both);

    // It goes when nobody may order it any more.
    let gone = ["model", "delete", "relax@1.0.0"];
    let active = Some("model-active");
    operator.refused(&gone, 3, active, "deactivate it first");
    let off = operator.says(&["model", "deactivate", "relax@1.0.0"]);
    assert_eq!(off.status, 0, "{}", off.err);
    client.refused(&["model", "deactivate", "relax@1.0.0"], 3, not, "operator");
    client.refused(&gone, 3, not, "operator");
    let deleted = operator.says(&gone);
    assert!(deleted.out.contains("is deleted"), "{}", deleted.err);
    let deleted = operator.json(&["model", "delete", "relax@1.1.0"]);
    assert_ne!(deleted["digest"], digest.to_string());
    client.refused(&["model", "show", "relax"], 2, None, "there is no model");
    let own = "lies in the queen's models directory";
    let own_model = ["model", "deactivate", "tiny"];
    operator.refused(&own_model, 3, Some("not-uploaded"), own);
    rack.assert_ledger_holds();
}
