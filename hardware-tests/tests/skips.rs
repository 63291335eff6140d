//! What is missing is said, and is not a pass. The meter can be missing on every box.

use std::io::{Read, Write};
use std::process::Command;

fn run(arguments: &[&str]) -> (i32, String, usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let results = dir.path().join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_swarm-hardware-tests"))
        .args(arguments)
        .arg("--results")
        .arg(&results)
        .output()
        .expect("it runs");
    // It is not there when nothing was kept.
    let kept = std::fs::read_dir(&results).map_or(0, Iterator::count);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().expect("it ends by itself"),
        String::from_utf8_lossy(&said).into_owned(),
        kept,
    )
}

#[test]
fn without_a_meter_it_skips_loudly_and_keeps_nothing() {
    let (status, said, kept) = run(&["meter"]);
    assert_eq!((status, kept), (77, 0), "{said}");
    assert!(
        said.contains("SKIPPED, NOTHING WAS TESTED: no meter is named"),
        "{said}"
    );
}

#[test]
fn a_device_that_answers_is_judged_by_its_answer() {
    for (answer, status, kept) in [
        (&b"\0\x01\0\0\0\x07\x01\x03\x04SunS"[..], 0, 1),
        (b"\0\x01\0\0\0\x07\x01\x03\x04Moon", 1, 0),
        (b"\0\x01\0\0\0\x03\x01\x83\x02", 1, 0),
    ] {
        let device = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = device.local_addr().expect("an address").to_string();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = device.accept().expect("a client");
            let mut request = [0; 12];
            stream.read_exact(&mut request).expect("a request");
            stream.write_all(answer).expect("answered");
        });
        let (ended, said, files) = run(&["meter", "--meter", &address]);
        served.join().expect("served");
        assert_eq!((ended, files), (status, kept), "{said}");
    }
}
