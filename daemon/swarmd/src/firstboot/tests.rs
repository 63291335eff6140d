//! Over a directory in the place of the box's root, with a sealer that only marks what it sealed: systemd-creds itself is
//! seen at work by the boot test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use anyhow::bail;
use zeroize::Zeroizing;

use super::config::Role;
use super::*;

const BOTH: &str = r#"
role = "all-in-one"
name = "rack-01"
[queen]
operators = ["0x00000000000000000000000000000000000000aa"]
[queen.listen]
names = ["rack-01.example"]
[queen.chain]
chain_id = 84532
rpc_url = "http://10.0.2.2:8545"
escrow = "0x0000000000000000000000000000000000000001"
token = "0x0000000000000000000000000000000000000002"
default_cap = "100000000"
[queen.fees]
protocol_payee = "0x0000000000000000000000000000000000000003"
operator_payee = "0x0000000000000000000000000000000000000004"
[bee]
threads = 2
"#;

const BEE: &str = r#"
role = "bee"
name = "bee-07"
[bee]
queen = "https://rack-01.example:8000"
queen_fingerprint = "0000000000000000000000000000000000000000000000000000000000000000"
join_code = "00112233445566778899aabbccddeeff00112233"
payee = "0x00000000000000000000000000000000000000bb"
"#;

/// Seals by naming the key, so many times; then it fails, as a power cut would.
struct Marks(Mutex<u32>);

impl Marks {
    fn lasting(seals: u32) -> Self {
        Self(Mutex::new(seals))
    }
}

impl Sealer for Marks {
    fn seal(&self, name: &str, secret: &str) -> Result<String> {
        let mut left = self.0.lock().expect("not poisoned");
        if *left == 0 {
            bail!("the power is gone");
        }
        *left -= 1;
        Ok(format!("sealed {name} {secret}"))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>> {
        match sealed.strip_prefix(&format!("sealed {name} ")) {
            Some(secret) => Ok(Zeroizing::new(secret.to_owned())),
            None => bail!("not sealed under this name"),
        }
    }
}

fn root() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Root::new(dir.path().to_owned());
    (dir, root)
}

/// Every file below the root with its text.
fn files(root: &Root) -> Vec<(String, String)> {
    fn walk(dir: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).expect("reads") {
            let path = entry.expect("reads").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = fs::read_to_string(&path).expect("text");
                found.push((path.display().to_string(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root.path(""), &mut found);
    found.sort();
    found
}

fn problems(text: &str) -> String {
    BoxConfig::read(text).expect_err("refused").join("\n")
}

#[test]
fn a_box_that_is_both_gets_configurations_that_its_daemons_take() {
    let (_dir, root) = root();
    let config = BoxConfig::read(BOTH).expect("good");
    let made = apply(&root, &Marks::lasting(6), &config, BOTH).expect("applied");
    assert_eq!(
        made.new,
        ["queen.key", "settler.key", "gas.key", "bee.key", "bee.age"]
    );
    let queen = crate::run::queen_config(&root.path("etc/swarm/queen.toml")).expect("a queen's");
    assert_eq!(queen.name, "rack-01");
    assert_eq!(queen.listen.address.port(), 8000);
    assert_eq!(queen.listen.names[0], "rack-01.example");
    assert!(queen.listen.names.contains(&"rack-01.local".to_owned()));
    let bee = root
        .read("etc/swarm/bee.toml")
        .expect("reads")
        .expect("there");
    let bee: swarm_bee::BeeConfig = toml::from_str(&bee).expect("a bee's");
    assert_eq!(bee.problems(), Vec::<String>::new());
    assert_eq!(bee.queen, "https://127.0.0.1:8000");
    assert_eq!(bee.queen_fingerprint, made.fingerprint);
    // No key lies about: each is in the store, sealed under its own name, for root alone.
    for (path, text) in files(&root) {
        let sealed = path.contains("credstore.encrypted");
        assert_eq!(text.starts_with("sealed "), sealed, "{path}");
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert!(!sealed || mode == 0o600, "{path} {mode:o}");
        assert!(!path.ends_with(".new"), "{path}");
    }
    let said = announce::text(&config, &made, false, None);
    for part in [
        made.addresses["bee.key"].as_str(),
        made.fingerprint.as_deref().expect("a queen's"),
        "https://rack-01.local:8000",
        "no TPM",
        "swarm bee approve 0x",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_second_boot_changes_nothing_and_a_new_configuration_keeps_the_keys() {
    let (_dir, root) = root();
    let config = BoxConfig::read(BOTH).expect("good");
    let first = apply(&root, &Marks::lasting(6), &config, BOTH).expect("applied");
    let before = files(&root);
    let again = apply(&root, &Marks::lasting(0), &config, BOTH).expect("applied");
    assert_eq!(again.new, Vec::<String>::new());
    assert_eq!(files(&root), before);

    let text = BOTH.replace("threads = 2", "threads = 1");
    let config = BoxConfig::read(&text).expect("good");
    let changed = apply(&root, &Marks::lasting(0), &config, &text).expect("applied");
    assert_eq!(
        (&changed.addresses, &changed.fingerprint),
        (&first.addresses, &first.fingerprint)
    );
    let found = source::find_with(&root, None)
        .expect("reads")
        .expect("kept");
    assert_eq!(found.1, text);

    // The public halves are only a note: without it they come from the sealed keys.
    fs::remove_file(root.path("var/lib/swarm/box.json")).expect("removed");
    let opened = apply(&root, &Marks::lasting(0), &config, &text).expect("applied");
    assert_eq!(opened.addresses, first.addresses);
}

#[test]
fn after_a_power_cut_anywhere_the_next_boot_finishes_with_the_keys_that_were_made() {
    let config = BoxConfig::read(BOTH).expect("good");
    for seals in 0..6 {
        let (_dir, root) = root();
        let cut = apply(&root, &Marks::lasting(seals), &config, BOTH);
        assert!(format!("{:#}", cut.expect_err("cut off")).contains("the power is gone"));
        let kept: Vec<_> = files(&root)
            .into_iter()
            .filter(|(path, _)| path.contains("credstore"))
            .collect();
        assert_eq!(kept.len(), seals as usize);
        assert!(
            source::find_with(&root, None).expect("reads").is_none(),
            "nothing counts as applied"
        );
        // What a cut in the middle of a write leaves.
        fs::create_dir_all(root.path("etc/swarm")).expect("made");
        fs::write(root.path("etc/swarm/queen.toml.new"), "[queen").expect("written");
        let made = apply(&root, &Marks::lasting(6 - seals), &config, BOTH).expect("finished");
        let after = files(&root);
        for file in kept {
            assert!(after.contains(&file), "{} was made anew", file.0);
        }
        assert_eq!(made.addresses.len(), 4);
        assert!(!root.path("etc/swarm/queen.toml.new").exists());
    }
}

#[test]
fn a_bee_joins_a_queen_elsewhere_by_a_code() {
    let (_dir, root) = root();
    let config = BoxConfig::read(BEE).expect("good");
    let made = apply(&root, &Marks::lasting(2), &config, BEE).expect("applied");
    assert_eq!(made.fingerprint, None);
    assert!(!root.path("etc/swarm/queen.toml").exists());
    let bee = root
        .read("etc/swarm/bee.toml")
        .expect("reads")
        .expect("there");
    let bee: swarm_bee::BeeConfig = toml::from_str(&bee).expect("a bee's");
    assert_eq!(bee.name, "bee-07");
    assert!(bee.join_code.is_some() && bee.payee.is_some());
    // Its join code is nobody's business.
    let mode = root
        .path("etc/swarm/bee.toml")
        .metadata()
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o007, 0);
}

#[test]
fn the_first_place_that_has_a_configuration_decides() {
    let (dir, root) = root();
    assert!(source::find_with(&root, None).expect("reads").is_none());
    root.write(source::KEPT, "kept", 0o600).expect("written");
    let found = |credentials| {
        source::find_with(&root, credentials)
            .expect("reads")
            .expect("there")
            .1
    };
    assert_eq!(found(None), "kept");
    root.write("boot/swarm.toml", "esp", 0o644)
        .expect("written");
    assert_eq!(found(None), "esp");
    let credentials = dir.path().join("credentials");
    fs::create_dir(&credentials).expect("made");
    assert_eq!(found(Some(&credentials)), "esp");
    fs::write(credentials.join("swarm.config"), "smbios").expect("written");
    assert_eq!(found(Some(&credentials)), "smbios");
}

#[test]
fn what_is_wrong_names_its_field() {
    for (from, to, field) in [
        (
            "rack-01\"\n[queen]",
            "Rack 01\"\n[queen]",
            "name: 'Rack 01'",
        ),
        ("name =", "nam =", "unknown field `nam`"),
        ("all-in-one", "hive", "unknown variant `hive`"),
        ("all-in-one", "queen", "bee: a box that is 'queen' has none"),
        ("all-in-one", "bee", "queen: a box that is 'bee' has none"),
        ("threads = 2", "threads = 0", "bee: "),
        (
            "threads = 2",
            "queen = \"https://q\"",
            "bee.queen: the bee's queen is this box",
        ),
        (
            "threads = 2",
            "key = { file = \"k\" }",
            "bee.key: the box says this itself",
        ),
        (
            "threads = 2",
            "poll = \"30\"",
            "'30' is not a duration with a unit",
        ),
        (
            "[queen]\n",
            "[queen]\nstate_dir = \"/tmp\"\n",
            "queen.state_dir: the box says this itself",
        ),
        ("[queen]\n", "[queen]\nseal_evry = \"1h\"\n", "seal_evry"),
        (
            "\"0x00000000000000000000000000000000000000aa\"",
            "",
            "queen.operators: name at least one",
        ),
        (
            "chain_id = 84532",
            "chain_id = 0",
            "queen.chain.chain_id: must not be 0",
        ),
        (
            "escrow = \"0x0000000000000000000000000000000000000001\"",
            "escrow = \"0x1\"",
            "escrow",
        ),
        (
            "default_cap = \"100000000\"",
            "",
            "missing field `default_cap`",
        ),
    ] {
        assert!(BOTH.contains(from), "{from}");
        let said = problems(&BOTH.replacen(from, to, 1));
        assert!(said.contains(field), "{to}: {said}");
    }
    // All at once.
    let said = problems(
        &BEE.replace("bee-07", "-")
            .replace("payee =", "models = \"m\"\npayee ="),
    );
    assert!(
        said.contains("name: '-'") && said.contains("bee.models:"),
        "{said}"
    );
    let image = BoxConfig::read(BEE)
        .expect("good")
        .for_image(Some(Role::Queen));
    assert_eq!(
        image.expect_err("refused"),
        ["role: 'bee', but this image is 'queen'"]
    );
}

#[test]
fn the_example_that_ships_is_good() {
    BoxConfig::read(include_str!("../../../../systemd/config/swarm.toml")).expect("good");
}

#[test]
fn updates_come_from_where_the_operator_says() {
    let (_dir, root) = root();
    let ours = include_str!("../../../../image/mkosi.extra/usr/lib/sysupdate.d/20-root.transfer");
    root.write("usr/lib/sysupdate.d/20-root.transfer", ours, 0o644)
        .expect("written");
    update::point(&root, None).expect("nothing to do");
    assert!(!root.path("run").exists());

    let text = format!("{BEE}[update]\nsource = \"https://updates.example/swarm/\"\n");
    let config = BoxConfig::read(&text).expect("good");
    update::point(&root, config.update.as_ref()).expect("pointed");
    let pointed = root
        .read("run/sysupdate.d/20-root.transfer")
        .expect("reads")
        .expect("there");
    assert!(
        pointed.contains("\nPath=https://updates.example/swarm\n"),
        "{pointed}"
    );
    assert!(pointed.contains("\nVerify=yes\n"), "{pointed}");

    for wrong in [
        "ftp://x/y",
        "https://x/%v",
        "https://x/a b",
        "updates",
        "https://x/\\n[Target]",
    ] {
        let said = problems(&format!("{BEE}[update]\nsource = \"{wrong}\"\n"));
        assert!(said.contains("update.source: must be"), "{wrong}: {said}");
    }
}

#[test]
fn a_qr_code_is_drawn() {
    let drawn = announce::qr("https://192.0.2.7:8000/?code=00112233445566778899aabbccddeeff");
    assert!(drawn.lines().count() > 15, "{drawn}");
    assert!(drawn.contains('█') && drawn.contains(' '));
}
