//! A UPS behind NUT: its real server with the dummy driver.

use std::path::Path;
use std::time::Duration;

use swarm_power::meter::Metric;
use swarm_power::source::{SourceError, read_once};

use crate::rig::{Peer, free_port, program, source, value, wait_for_tcp};

struct Ups {
    dir: tempfile::TempDir,
    driver: Peer,
    _server: Peer,
    port: u16,
}

fn write(dir: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    std::fs::write(&path, text).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("sets");
}

impl Ups {
    fn start(state: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let device = dir.path().join("bess.dev");
        write(dir.path(), "bess.dev", state);
        let ups = format!(
            "[bess]\ndriver = dummy-ups\nport = {}\nmode = dummy-once\n",
            device.display()
        );
        write(dir.path(), "ups.conf", &ups);
        write(
            dir.path(),
            "upsd.conf",
            &format!("LISTEN 127.0.0.1 {port}\nMAXAGE 5\n"),
        );
        write(dir.path(), "upsd.users", "");
        let nut = |path: &str, args: &[&str]| {
            let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
            let mut command = program(path);
            command.args(args).args(["-F", "-u", &user]);
            for name in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
                command.env(name, dir.path());
            }
            Peer::start(&mut command)
        };
        let driver = nut("lib/nut/dummy-ups", &["-a", "bess"]);
        let server = nut("lib/nut/upsd", &[]);
        wait_for_tcp(port);
        Self {
            driver,
            _server: server,
            port,
            dir,
        }
    }

    async fn read(&self) -> Result<Vec<swarm_power::meter::Sample>, SourceError> {
        let text = format!(
            "name = 'ups'\nkind = 'nut'\naddress = '127.0.0.1:{}'\nups = 'bess'\nmeasures = ['charge', 'load', 'on_battery', 'low_battery']",
            self.port
        );
        read_once(&source(&text)).await
    }

    /// Reads until it is as wanted.
    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&Result<Vec<swarm_power::meter::Sample>, SourceError>) -> bool,
    ) {
        for _ in 0..240 {
            let read = self.read().await;
            if wanted(&read) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("never {what}: {:?}", self.read().await);
    }
}

const ON_LINE: &str = "ups.status: OL CHRG\nbattery.charge: 73\nups.realpower: 412\n";

#[tokio::test]
async fn a_ups_tells_its_charge_and_goes_onto_battery() {
    let ups = Ups::start(ON_LINE);
    ups.until("on line", |read| {
        read.as_ref().is_ok_and(|read| {
            value(read, Metric::Charge) == Some(73.0)
                && value(read, Metric::Load) == Some(412.0)
                && value(read, Metric::OnBattery) == Some(0.0)
        })
    })
    .await;
    write(
        ups.dir.path(),
        "bess.dev",
        "ups.status: OB LB DISCHRG\nbattery.charge: 12\nups.realpower: 400\n",
    );
    ups.until("on battery", |read| {
        read.as_ref().is_ok_and(|read| {
            value(read, Metric::Charge) == Some(12.0)
                && value(read, Metric::OnBattery) == Some(1.0)
                && value(read, Metric::LowBattery) == Some(1.0)
        })
    })
    .await;
}

#[tokio::test]
async fn a_ups_that_disappears_is_named_and_gives_no_value() {
    let mut ups = Ups::start(ON_LINE);
    ups.until("on line", Result::is_ok).await;
    ups.driver.end();
    ups.until(
        "named",
        |read| matches!(read, Err(SourceError::Nothing(text)) if text.contains("driver")),
    )
    .await;
    let port = ups.port;
    let text = format!("name = 'ups'\nkind = 'nut'\naddress = '127.0.0.1:{port}'\nups = 'other'");
    let error = read_once(&source(&text)).await.expect_err("no such UPS");
    assert_eq!(error.to_string(), "the server has no UPS 'other'");
    drop(ups);
    let error = read_once(&source(&text)).await.expect_err("no server");
    assert!(
        matches!(
            error,
            SourceError::Io {
                what: "connect",
                ..
            }
        ),
        "{error}"
    );
}
