//! A switched PDU: net-snmp's agent, with APC's outlets behind it.

use std::path::Path;

use swarm_power::config::PduConfig;
use swarm_power::pdu::{PduError, is_on, switch};

use crate::rig::{Peer, free_port, program};

struct Agent {
    dir: tempfile::TempDir,
    _peer: Peer,
    config: PduConfig,
}

fn agent() -> Agent {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("outlets")).expect("makes");
    std::fs::write(at("outlets/3"), "1\n").expect("writes");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/apc.sh");
    std::fs::copy(script, at("apc.sh")).expect("copies");
    std::fs::write(at("community"), "secret\n").expect("writes");
    let port = free_port();
    let conf = format!(
        "agentaddress udp:127.0.0.1:{port}\nrwcommunity secret 127.0.0.1\nrocommunity look 127.0.0.1\npass .1.3.6.1.4.1.318.1.1.4.4.2.1.3 /bin/sh {}\n",
        at("apc.sh").display()
    );
    std::fs::write(at("snmpd.conf"), conf).expect("writes");
    let mut command = program("sbin/snmpd");
    command
        .args(["-f", "-Ln", "-C", "-c"])
        .arg(at("snmpd.conf"))
        .env("MIBS", "");
    command
        .env("SNMP_PERSISTENT_DIR", dir.path())
        .args(["-I", "-smux,mteTrigger,mteTriggerConf"]);
    let peer = Peer::start(&mut command);
    let text = format!(
        "name = 'left'\naddress = '127.0.0.1:{port}'\ncommunity_file = {:?}",
        at("community")
    );
    let config = toml::from_str(&text).expect("parses");
    Agent {
        dir,
        _peer: peer,
        config,
    }
}

#[tokio::test]
async fn an_outlet_is_switched_and_read_back() {
    let agent = agent();
    let mut first = is_on(&agent.config, 3).await;
    for _ in 0..200 {
        if !matches!(first, Err(PduError::Silent(_))) {
            break;
        }
        // It does not listen yet.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        first = is_on(&agent.config, 3).await;
    }
    assert_eq!(first.expect("it answers"), Some(true));
    switch(&agent.config, 3, false).await.expect("switches");
    let state = std::fs::read_to_string(agent.dir.path().join("outlets/3")).expect("reads");
    assert_eq!(state.trim(), "2", "outletOff");
    assert_eq!(is_on(&agent.config, 3).await.expect("reads"), Some(false));
    switch(&agent.config, 3, true).await.expect("switches");
    assert_eq!(is_on(&agent.config, 3).await.expect("reads"), Some(true));
    // An outlet that is not there, a community that may not write, and one that is not known.
    let error = switch(&agent.config, 9, true)
        .await
        .expect_err("no outlet 9");
    assert!(
        matches!(error, PduError::Refused { status: 17, .. }),
        "{error}"
    );
    std::fs::write(agent.dir.path().join("community"), "look").expect("writes");
    let error = switch(&agent.config, 3, false)
        .await
        .expect_err("read only");
    assert!(matches!(error, PduError::Refused { .. }), "{error}");
    std::fs::write(agent.dir.path().join("community"), "").expect("writes");
    let error = switch(&agent.config, 3, false).await.expect_err("empty");
    assert!(matches!(error, PduError::NoCommunity(_)), "{error}");
    std::fs::remove_file(agent.dir.path().join("community")).expect("removes");
    let error = is_on(&agent.config, 3).await.expect_err("no file");
    assert!(matches!(error, PduError::Community { .. }), "{error}");
}
