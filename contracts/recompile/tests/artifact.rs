//! The committed artifacts are what the sources compile to, with nothing of a machine in them, and the
//! code is small enough to deploy.
//!
//! After a change of the sources `UPDATE_ARTIFACT=1 contracts/test.sh artifact` writes them anew.

use serde_json::{Value, json};

// What the crate gives out for a block explorer.
#[path = "../../src/source.rs"]
mod source;

/// EIP-170.
const RUNTIME_BYTES_MAX: usize = 24_576;
/// EIP-3860.
const INIT_BYTES_MAX: usize = 2 * RUNTIME_BYTES_MAX;
const CONTRACT: &str = "src/SwarmEscrow.sol";

#[test]
fn the_artifacts_are_what_the_sources_compile_to() {
    let input = recompile::standard_json(CONTRACT);
    let contract = &recompile::compile(&input)["contracts"][CONTRACT]["SwarmEscrow"];
    let code = |kind: &str| {
        let object = &contract["evm"][kind]["object"];
        format!("0x{}", object.as_str().expect("bytecode was asked for"))
    };
    let artifact = json!({
        "abi": contract["abi"],
        "bytecode": code("bytecode"),
        "deployedBytecode": code("deployedBytecode"),
    });
    same_as_committed("SwarmEscrow.input.json", &input);
    same_as_committed("SwarmEscrow.json", &artifact);
    the_code_fits(&artifact);
}

fn the_code_fits(artifact: &Value) {
    let bytes = |part: &str| {
        let code = artifact[part].as_str().expect("hex");
        code.strip_prefix("0x").expect("0x").len() / 2
    };
    let (runtime, init) = (bytes("deployedBytecode"), bytes("bytecode"));
    println!(
        "runtime code {runtime} of {RUNTIME_BYTES_MAX} bytes, init code {init} of {INIT_BYTES_MAX}"
    );
    assert!(
        runtime > 0 && runtime < RUNTIME_BYTES_MAX,
        "{runtime} bytes of runtime code"
    );
    assert!(
        init > runtime && init < INIT_BYTES_MAX,
        "{init} bytes of init code"
    );
}

#[test]
fn the_names_for_a_block_explorer_are_right() {
    let solc = recompile::solc();
    let version = source::COMPILER_VERSION.strip_prefix('v').expect("v");
    let (number, commit) = version.split_once("+commit.").expect("+commit.");
    assert_eq!(number, solc.version_short().to_string());
    let build = solc.version.build.as_str();
    assert!(build.contains(commit), "{build} is not {commit}");
    assert_eq!(source::CONTRACT_NAME, format!("{CONTRACT}:SwarmEscrow"));

    let input: Value = serde_json::from_str(source::STANDARD_JSON).expect("JSON");
    let sources = input["sources"].as_object().expect("sources");
    assert!(sources.contains_key(CONTRACT));
    for name in sources.keys() {
        let known = name.starts_with("src/") || name.starts_with("@openzeppelin/contracts/");
        assert!(known, "{name} is a name of one machine only");
    }
    assert_eq!(input["settings"].get("remappings"), None);
}

fn same_as_committed(name: &str, found: &Value) {
    let path = recompile::home().join("artifacts").join(name);
    if std::env::var_os("UPDATE_ARTIFACT").is_some() {
        std::fs::write(&path, format!("{found:#}\n")).expect("artifacts/ can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(
        committed == *found,
        "artifacts/{name} is not what the sources compile to; the head of this test says how to write it anew"
    );
}
