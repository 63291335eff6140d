//! The processes that hold keys: nothing of their memory reaches the disk. And a configuration with a typo: nothing
//! happens at all.

mod daemons;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use daemons::Files;

/// The line of /proc/PID/limits on core dumps, once the process has set it.
fn core_limit(child: &Child) -> String {
    for _ in 0..400 {
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
        if words == ["0", "0"] {
            return words.join(" ");
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    String::new()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("readable");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_crash_leaves_no_memory_on_disk() {
    for role in ["queen", "bee"] {
        let files = Files::new();
        let config = if role == "queen" {
            files.queen()
        } else {
            files.bee()
        };
        // A shell that asks for core dumps, as a developer's machine does; the daemon must not listen to it.
        let daemon = files.command(role, &config);
        let words: Vec<String> = std::iter::once(daemon.get_program())
            .chain(daemon.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("ulimit -c unlimited; exec {}", words.join(" ")));
        shell
            .current_dir(files.0.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = shell.spawn().expect("it starts");
        assert_eq!(core_limit(&child), "0 0", "{role}");
        let killed = Command::new("kill")
            .args(["-ABRT", &child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(killed.success());
        let status = child.wait().expect("it ends");
        assert_eq!(
            (status.signal(), status.core_dumped()),
            (Some(6), false),
            "{role}"
        );
        let core = names(files.0.path())
            .into_iter()
            .find(|name| name.contains("core"));
        assert_eq!(core, None, "{role}");
    }
}

#[test]
fn a_configuration_with_a_typo_is_refused_by_name_and_does_nothing() {
    let files = Files::new();
    let queen = files.queen();
    let bee = files.bee();
    for (role, config) in [("queen", &queen), ("bee", &bee)] {
        let sound = files
            .command(role, config)
            .arg("--check")
            .output()
            .expect("it starts");
        assert!(
            sound.status.success(),
            "{}",
            String::from_utf8_lossy(&sound.stderr)
        );
    }
    let before = names(files.0.path());
    for (role, config, from, to, named) in [
        ("queen", &queen, "models_dir", "model_dir", "model_dir"),
        (
            "queen",
            &queen,
            "default_cap = \"100000000\"",
            "default_cap = 100000000",
            "default_cap",
        ),
        (
            "queen",
            &queen,
            "operators = [\"0x00000000000000000000000000000000000000aa\"]",
            "operators = []",
            "operators",
        ),
        ("queen", &queen, "127.0.0.1:0", "127.0.0.1", "address"),
        ("queen", &queen, "gas.key", "none.key", "none.key"),
        (
            "queen",
            &queen,
            "[queen.fees]",
            "[queen.fees]\nfees = \"1\"",
            "fees",
        ),
        (
            "queen",
            &queen,
            "[queen.chain]",
            "[queen.rails]\nlease = \"120\"\n[queen.chain]",
            "lease",
        ),
        (
            "queen",
            &queen,
            "[keys]",
            "log = \"queen=loud\"\n[keys]",
            "log",
        ),
        ("bee", &bee, "name =", "nam =", "nam"),
        ("bee", &bee, "bee.age", "none.age", "none.age"),
        ("bee", &bee, "name =", "poll = \"30\"\nname =", "poll"),
        (
            "bee",
            &bee,
            "name =",
            "concurrency = 1000\nname =",
            "concurrency",
        ),
    ] {
        let wrong = config.replace(from, to);
        assert_ne!(&wrong, config, "{from}");
        let run = files.run(role, &wrong);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(78), "{to}: {said}");
        assert!(said.contains(named), "{to}: {said}");
        let mut after = names(files.0.path());
        after.retain(|name| !name.ends_with(".toml"));
        let mut before = before.clone();
        before.retain(|name| !name.ends_with(".toml"));
        assert_eq!(after, before, "{to}");
    }
}

#[test]
fn a_credential_that_is_missing_is_named() {
    let files = Files::new();
    let given = tempfile::tempdir().expect("a directory");
    for (role, config, key, name) in [
        ("queen", files.queen(), "keys.queen", "queen.key"),
        ("queen", files.queen(), "keys.settlers", "settler.key"),
        ("queen", files.queen(), "keys.gas", "gas.key"),
        ("bee", files.bee(), "key", "bee.key"),
        ("bee", files.bee(), "identity", "bee.age"),
    ] {
        let file = format!("{{ file = {:?} }}", files.path(name));
        let wrong = config.replace(&file, &format!("{{ credential = {name:?} }}"));
        assert_ne!(wrong, config, "{name}");
        // systemd gave none at all, and systemd gave others only.
        for directory in [None, Some(given.path())] {
            let mut command = files.command(role, &wrong);
            command.env_remove("CREDENTIALS_DIRECTORY");
            command.envs(directory.map(|path| ("CREDENTIALS_DIRECTORY", path)));
            let run = command.output().expect("it starts");
            let said = String::from_utf8_lossy(&run.stderr).into_owned();
            assert_eq!(run.status.code(), Some(78), "{name}: {said}");
            assert!(said.contains(key) && said.contains(name), "{said}");
        }
    }
}
