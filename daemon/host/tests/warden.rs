//! The warden and its client over a real socket. Only what touches the box is played: the GPU and the power switch.
//! The clock is a directory that looks like the kernel's.

use std::io::{BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use swarm_host::warden::{ActError, Acts, Allowed, ThisBox, Warden, WardenError, serve};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

const GPU: &str = "GPU-8f2d51cc-1b6e-4f0a-9d3c-0123456789ab";
const OTHER: &str = "GPU-00000000-1b6e-4f0a-9d3c-0123456789ab";

/// A box with one GPU.
struct Played {
    clock: ThisBox,
    done: Arc<Mutex<Vec<String>>>,
}

impl Acts for Played {
    fn gpu_power_range(&mut self, gpu: &str) -> Result<Option<RangeInclusive<u32>>, ActError> {
        Ok((gpu == GPU).then_some(100..=450))
    }

    fn set_gpu_power_limit(&mut self, gpu: &str, watts: u32) -> Result<(), ActError> {
        let mut done = self.done.lock().expect("no panic before");
        done.push(format!("{gpu} {watts} W"));
        Ok(())
    }

    fn set_wake_timer(&mut self, time: Duration) -> Result<(), ActError> {
        self.clock.set_wake_timer(time)
    }

    fn power_off(&mut self) -> Result<(), ActError> {
        self.done
            .lock()
            .expect("no panic before")
            .push("off".into());
        Err(ActError::Systemctl("no systemd here".into()))
    }
}

struct Box {
    dir: tempfile::TempDir,
    done: Arc<Mutex<Vec<String>>>,
    warden: JoinHandle<std::io::Result<()>>,
}

impl Box {
    fn start(allowed: Allowed, idle: Duration) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let rtc = dir.path().join("sys/class/rtc/rtc0");
        std::fs::create_dir_all(&rtc).expect("made");
        std::fs::write(rtc.join("since_epoch"), "1790000000\n").expect("written");
        let done = Arc::default();
        let mut played = Played {
            clock: ThisBox::at(dir.path()),
            done: Arc::clone(&done),
        };
        let listener = UnixListener::bind(dir.path().join("warden.sock")).expect("binds");
        let warden =
            tokio::spawn(async move { serve(&listener, &allowed, &mut played, idle).await });
        Self { dir, done, warden }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("warden.sock")
    }

    fn done(&self) -> Vec<String> {
        self.done.lock().expect("no panic before").clone()
    }
}

fn me() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("/proc").uid()
}

fn for_ever() -> Duration {
    Duration::from_secs(3600)
}

fn refused(result: Result<(), WardenError>) -> String {
    match result.expect_err("refused") {
        WardenError::Refused(refusal) => refusal.field,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_verbs_do_what_they_say_and_no_more() {
    let here = Box::start(Allowed::ids([me()]), for_ever());
    let warden = Warden::at(here.socket());
    warden.set_gpu_power_limit(GPU, 100).await.expect("lowest");
    warden.set_gpu_power_limit(GPU, 450).await.expect("highest");
    let hour = Duration::from_secs(3600);
    warden.set_wake_timer(hour).await.expect("set");
    let alarm = here.dir.path().join("sys/class/rtc/rtc0/wakealarm");
    assert_eq!(std::fs::read_to_string(alarm).expect("reads"), "1790003600");

    for (gpu, watts, field) in [
        (GPU, 99, "watts"),
        (GPU, 451, "watts"),
        (GPU, 0, "watts"),
        (OTHER, 200, "gpu"),
        ("0", 200, "gpu"),
    ] {
        let answer = warden.set_gpu_power_limit(gpu, watts).await;
        assert_eq!(refused(answer), field, "{gpu} {watts}");
    }
    for seconds in [0, 59, 604_801, u64::MAX] {
        let answer = warden.set_wake_timer(Duration::from_secs(seconds)).await;
        assert_eq!(refused(answer), "seconds", "{seconds}");
    }
    let error = warden.power_off().await.expect_err("no systemd here");
    assert!(matches!(error, WardenError::Failed(_)), "{error}");
    assert!(error.to_string().contains("no systemd here"), "{error}");
    let (low, high) = (format!("{GPU} 100 W"), format!("{GPU} 450 W"));
    assert_eq!(here.done(), [low, high, "off".into()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_gets_no_further() {
    let here = Box::start(Allowed::ids([me() + 1]), for_ever());
    let warden = Warden::at(here.socket());
    assert_eq!(refused(warden.power_off().await), "peer");
    let set = warden.set_gpu_power_limit(GPU, 200).await;
    assert_eq!(refused(set), "peer");
    assert_eq!(here.done(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nonsense_or_nothing_keeps_nobody_out() {
    let here = Box::start(Allowed::ids([me()]), for_ever());
    let mut silent = UnixStream::connect(here.socket()).expect("connects");
    silent.write_all(b"{\"verb\":").expect("writes");
    let (socket, warden) = (here.socket(), Warden::at(here.socket()));
    warden.set_gpu_power_limit(GPU, 200).await.expect("served");

    let answers = tokio::task::spawn_blocking(move || {
        let mut peer = UnixStream::connect(&socket).expect("connects");
        let many = "{\"verb\":\"power-of\"}\n\u{1}\n".repeat(2);
        peer.write_all(many.as_bytes()).expect("writes");
        peer.write_all(&vec![b'x'; 4096]).expect("writes");
        let lines = BufReader::new(peer).lines();
        lines.map_while(Result::ok).collect::<Vec<_>>()
    });
    let answers = answers.await.expect("no panic");
    let fields: Vec<&str> = answers
        .iter()
        .map(|line| match line.split('"').nth(7) {
            Some(field) => field,
            None => panic!("{line}"),
        })
        .collect();
    assert_eq!(fields, ["verb", "request", "verb", "request", "request"]);
    assert_eq!(here.done(), [format!("{GPU} 200 W")]);
}

#[tokio::test]
async fn a_warden_that_nobody_asks_ends_and_its_absence_is_said() {
    let here = Box::start(Allowed::ids([me()]), Duration::from_millis(10));
    here.warden.await.expect("no panic").expect("ends well");
    let nowhere = Warden::at(here.dir.path().join("nobody.sock"));
    let error = nowhere.power_off().await.expect_err("nobody");
    assert!(matches!(error, WardenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("nobody.sock"), "{error}");
}
