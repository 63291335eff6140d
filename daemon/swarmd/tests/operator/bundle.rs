//! A support bundle of a rack in which secrets and a patient's name were planted holds none of them, and `swarm status`
//! says what the rack is.

use std::io::Read;

use super::rack::Rack;
use super::swarm;

/// What is planted, and must not be found.
const PATIENT: [&str; 4] = ["DOE", "Doe^Jane", "Jane", "IM0001"];

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_no_planted_secret_and_no_patient() {
    let rack = Rack::with(|plan| plan.block_seconds = Some(1)).await;
    let dir = rack.dir.path();
    let (home, etc, out) = (dir.join("home"), dir.join("etc"), dir.join("out"));
    for made in [&etc, &out] {
        std::fs::create_dir(made).expect("made");
    }
    let queen = std::fs::read_to_string(rack.queen_toml()).expect("queen.toml");
    let rpc = format!("rpc_url = \"{}\"", rack.node.url());
    assert!(queen.contains(&rpc));
    let queen = queen.replace(
        &rpc,
        "rpc_url = \"http://user:RPCPASSWORD@127.0.0.1:9/v2/RPCAPIKEY?t=RPCTOKEN\"",
    );
    std::fs::write(etc.join("queen.toml"), queen).expect("written");
    let code = "b54aa31c90ffb54aa31c90ffb54aa31c";
    let bee = std::fs::read_to_string(dir.join("bee-01.toml")).expect("bee.toml");
    std::fs::write(
        etc.join("bee-01.toml"),
        format!("{bee}join_code = \"{code}\"\n"),
    )
    .expect("written");
    // A file of somebody's name that is no configuration, beside one that is broken and holds a code.
    std::fs::write(etc.join("DOE_JANE.toml"), "x = 1\n").expect("written");
    std::fs::write(etc.join("bee-02.toml"), format!("join_code = {code}\n")).expect("written");

    let read = |name: &str| {
        std::fs::read_to_string(dir.join(name))
            .expect("a secret")
            .trim()
            .to_owned()
    };
    let mut planted: Vec<String> = [
        "queen.key",
        "settler.key",
        "gas.key",
        "bee-01.key",
        "bee-01.age",
    ]
    .map(read)
    .into();
    planted.extend(["RPCPASSWORD", "RPCAPIKEY", "RPCTOKEN", "BEARERTOKEN", code].map(String::from));
    let log = dir.join("DOE_JANE.log");
    let lines = [
        format!("loaded the key {}", planted[1]),
        format!("identity {}", planted[4]),
        format!("joins with join_code={code}"),
        "sent Authorization: Bearer BEARERTOKEN".to_owned(),
        "asked https://user:RPCPASSWORD@node.example/v2/RPCAPIKEY?t=RPCTOKEN and waited".to_owned(),
        "opened /srv/scans/DOE_JANE/IM0001.dcm".to_owned(),
        "opened scans/DOE_JANE.nii.gz".to_owned(),
        "PatientName: Doe^Jane".to_owned(),
        "(0010,0010) PN [Doe^Jane] # 8".to_owned(),
        "job job-001-0001 took 1200 ms".to_owned(),
    ];
    std::fs::write(&log, lines.join("\n")).expect("written");

    let [etc, out, log] = [&etc, &out, &log].map(|path| path.display().to_string());
    let arguments = [
        "--json",
        "--queen",
        &rack.base,
        "support-bundle",
        "--etc",
        &etc,
        "--out",
        &out,
        "--log",
        &log,
    ];
    let run = swarm(&home, &arguments);
    assert_eq!(run.status, 0, "{}", run.err);
    let file = run.json()["file"].as_str().expect("a file").to_owned();
    let bytes = std::fs::read(&file).expect("the bundle");
    let mut members = std::collections::BTreeMap::new();
    for member in tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()))
        .entries()
        .expect("a tar")
    {
        let mut member = member.expect("a member");
        let path = member.path().expect("a path").display().to_string();
        let mut text = String::new();
        member.read_to_string(&mut text).expect("text");
        members.insert(path, text);
    }
    for (path, text) in &members {
        for secret in planted.iter().map(String::as_str).chain(PATIENT) {
            assert!(!text.contains(secret), "{secret} in {path}:\n{text}");
            assert!(!path.contains(secret), "{secret} in the name {path}");
        }
    }
    let member = |name: &str| {
        let found = members.iter().find(|(path, _)| path.ends_with(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {:?}", members.keys()))
            .1
            .as_str()
    };
    // What helps is there.
    assert!(member("log-1.txt").contains("job job-001-0001 took 1200 ms"));
    assert!(member("config/queen.toml").contains(&rack.dev.escrow.to_string()));
    assert!(member("config/bee-01.toml").contains("threads = 1"));
    assert!(member("config/bee-02.toml").contains("not taken"));
    assert!(member("metrics-queen.txt").contains("swarm_journal_entries"));
    assert!(member("metrics-box.txt").contains("swarm_gpu_driver"));
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(member(name)).expect("JSON");
    assert_eq!(json("doctor.json")["ok"], false, "the node was away");
    assert_eq!(
        json("ledger.json")["file"]["broken_rules"],
        serde_json::json!([])
    );
    assert_eq!(json("versions.json")["swarm"], env!("CARGO_PKG_VERSION"));

    let status = swarm(&home, &["--json", "--queen", &rack.base, "status"]);
    let json = status.json();
    assert_eq!(
        (&json["health"]["status"], &json["bees"][0]["name"]),
        (&"ok".into(), &"bee-01".into())
    );
    let status = swarm(&home, &["--queen", &rack.base, "status"]);
    assert_eq!(status.status, 0, "{}", status.err);
    for part in [
        "queue",
        "0 waiting",
        "bee-01",
        "epoch-001",
        "charge unknown",
        "$0.00",
    ] {
        assert!(status.out.contains(part), "{part} in\n{}", status.out);
    }
}
