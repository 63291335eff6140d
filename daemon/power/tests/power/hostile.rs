//! Peers that mean no good: each is named or times out, none stops another, and nothing that they say is believed.

use std::time::Duration;

use swarm_power::PowerConfig;
use swarm_power::config::SourceConfig;
use swarm_power::meter::Metric;
use swarm_power::site::Site;
use swarm_power::source::{SourceError, read_once, spawn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Modbus, source};

/// What a hostile peer does with a connection.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Accepts and says nothing.
    Silent,
    /// Hangs up at once.
    HangUp,
    /// Sends bytes that mean nothing, without end.
    Noise,
    /// One byte at a time, for ever.
    Drip,
    /// The head of an answer, and then nothing more.
    Truncated,
    /// Sound frames with too few registers.
    Short,
    /// Sound frames of another transaction.
    Stranger,
    /// Exceptions, always.
    Exceptions,
    /// Every register is 0: a map without an end.
    Zeros,
    /// Sound SunSpec mark, then models without end.
    Endless,
}

async fn serve(manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, manner));
        }
    });
    port
}

/// Whoever is not listened to any more ends.
async fn talk(mut stream: TcpStream, manner: Manner) -> Option<()> {
    let noise: Vec<u8> = (0..=255u8).map(|n| n.wrapping_mul(97) ^ 0x5a).collect();
    match manner {
        Manner::HangUp => return None,
        Manner::Noise => loop {
            stream.write_all(&noise).await.ok()?;
        },
        Manner::Drip => loop {
            stream.write_all(b"\x00").await.ok()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        },
        _ => {}
    }
    loop {
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        let (transaction, unit, function) = ([head[0], head[1]], head[6], head[7]);
        let address = u16::from_be_bytes([head[8], head[9]]);
        let count = u16::from_be_bytes([head[10], head[11]]);
        let frame = |transaction: [u8; 2], pdu: &[u8]| {
            let length = (pdu.len() as u16 + 1).to_be_bytes();
            let mut frame = vec![
                transaction[0],
                transaction[1],
                0,
                0,
                length[0],
                length[1],
                unit,
            ];
            frame.extend_from_slice(pdu);
            frame
        };
        let words = |words: &[u16]| {
            let mut pdu = vec![function, (words.len() * 2) as u8];
            pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            pdu
        };
        let sound = |value: u16| words(&vec![value; usize::from(count)]);
        let answer = match manner {
            Manner::Silent => continue,
            Manner::Truncated => frame(transaction, &sound(1))[..9].to_vec(),
            Manner::Short => frame(transaction, &words(&[1])),
            Manner::Stranger => frame([transaction[0] ^ 0xff, transaction[1]], &sound(1)),
            Manner::Exceptions => frame(transaction, &[function | 0x80, 4]),
            Manner::Zeros => frame(transaction, &sound(0)),
            Manner::Endless if address == 40_000 => frame(transaction, &words(&[0x5375, 0x6e53])),
            Manner::Endless => frame(transaction, &sound(1)),
            Manner::HangUp | Manner::Noise | Manner::Drip => unreachable!("handled above"),
        };
        stream.write_all(&answer).await.ok()?;
    }
}

fn config(kind: &str, port: u16) -> SourceConfig {
    let more = match kind {
        "nut" => "ups = 'bess'",
        "victron_mqtt" => "portal_id = 'c0ffee'",
        _ => "",
    };
    source(&format!(
        "name = 'x'\nkind = '{kind}'\naddress = '127.0.0.1:{port}'\ninterval = '1s'\ntimeout = '1s'\n{more}"
    ))
}

#[tokio::test]
async fn every_manner_ends_in_a_named_error_in_time() {
    use Manner::*;
    let manners = [
        Silent, HangUp, Noise, Drip, Truncated, Short, Stranger, Exceptions, Zeros, Endless,
    ];
    for kind in ["sunspec", "victron_modbus", "victron_mqtt", "nut"] {
        for manner in manners {
            let port = serve(manner).await;
            let config = config(kind, port);
            let read = tokio::time::timeout(Duration::from_secs(30), read_once(&config)).await;
            let outcome = read.unwrap_or_else(|_| panic!("{kind} hangs on {manner:?}"));
            // A GX whose registers are all 0 or 1 is a sound answer, if a poor one.
            let sound = kind == "victron_modbus" && matches!(manner, Zeros | Endless);
            match outcome {
                Err(error) => assert!(!error.to_string().is_empty(), "{kind} {manner:?}"),
                Ok(read) => assert!(sound, "{kind} believed {manner:?}: {read:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_reason_names_what_is_wrong() {
    for (kind, manner, named) in [
        (
            "sunspec",
            Manner::Exceptions,
            "Modbus exception at register",
        ),
        ("sunspec", Manner::Short, "1 registers instead of 2"),
        ("sunspec", Manner::Silent, "no answer in 1 s"),
        ("sunspec", Manner::Zeros, "no SunSpec map"),
        ("sunspec", Manner::Endless, "more than 64 SunSpec models"),
        ("nut", Manner::Noise, "not understood"),
        ("victron_mqtt", Manner::Noise, "the broker"),
    ] {
        let port = serve(manner).await;
        let error = read_once(&config(kind, port)).await.expect_err(kind);
        assert!(
            error.to_string().contains(named),
            "{kind} {manner:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_source_that_hangs_does_not_hang_the_rest() {
    let mut device = Modbus::start("sunspec");
    device.set(&[("103.W", 900), ("103.W_SF", 0)]);
    let hostile = [
        serve(Manner::Silent).await,
        serve(Manner::Drip).await,
        serve(Manner::Noise).await,
    ];
    let mut sources: Vec<SourceConfig> = hostile
        .iter()
        .map(|port| config("sunspec", *port))
        .collect();
    sources.push(config("sunspec", device.port));
    for (place, source) in sources.iter_mut().enumerate() {
        source.name = format!("source {place}");
    }
    let site = PowerConfig {
        sources: sources.clone(),
        ..Default::default()
    };
    assert_eq!(site.problems(), Vec::<String>::new());
    let (to, mut from) = tokio::sync::mpsc::channel(16);
    let tasks: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(n, source)| spawn(n, source, to.clone()))
        .collect();
    let (mut good, mut failed) = (0, [0; 3]);
    let all = async {
        while good < 3 || failed.contains(&0) {
            let answer = from.recv().await.expect("an answer");
            match (answer.index, answer.outcome) {
                (3, outcome) => good += u32::from(outcome.is_ok()),
                (index, Err(_)) => failed[index] += 1,
                (index, Ok(read)) => panic!("source {index} was believed: {read:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("the sound source is heard");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn values_that_cannot_be_true_are_counted_and_not_believed() {
    let mut device = Modbus::start("sunspec");
    device.set(&[
        ("802.SoC", 120),
        ("802.SoC_SF", 0),
        ("802.W", 400),
        ("802.W_SF", 7),
    ]);
    let mut config = config("sunspec", device.port);
    config.measures = Some([Metric::Charge, Metric::Battery].into());
    let read = read_once(&config).await.expect("reads");
    let mut site = Site::new(&PowerConfig {
        sources: vec![config],
        ..Default::default()
    });
    let refused = site.take(Duration::ZERO, 0, &read);
    let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "charge of 120 is outside 0 to 100",
            "battery of 4000000000 is outside -1000000 to 1000000"
        ]
    );
    let view = site.view(Duration::ZERO);
    assert_eq!((view.charge.value, view.battery.value), (None, None));
    assert_eq!(site.sources()[0].meter.refused(), 2);
}

#[tokio::test]
async fn a_nut_server_that_lies_is_refused() {
    for (answer, named) in [
        (
            "VAR bess ups.status \"OL\"\nVAR bess battery.charge \"lots\"\n",
            "battery.charge is 'lots'",
        ),
        ("VAR other ups.status \"OL\"\n", "not understood"),
        ("ERR ACCESS-DENIED\n", "ACCESS-DENIED"),
        ("ERR DATA-STALE\n", "lost the UPS"),
        ("VAR bess ups.status \"OL", "read"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            // What is asked next is read, so that the answer is not thrown away with the connection.
            if answer.ends_with('\n') {
                let _ = stream.read(&mut asked).await;
            }
        });
        let error = read_once(&config("nut", port)).await.expect_err(answer);
        assert!(error.to_string().contains(named), "{answer}: {error}");
        assert!(
            !matches!(error, SourceError::Silent(_)),
            "{answer}: {error}"
        );
    }
}
