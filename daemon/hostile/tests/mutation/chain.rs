//! A node that lies: between the crate and a real node stands a proxy that damages the answers.

use std::sync::{Arc, Mutex};

use swarm_chain::devchain::{DEV_ACCOUNTS, DevChain, NodeConfig, USDC, dev_wallet};
use swarm_chain::{At, Chain};
use swarm_contracts::Params;
use swarm_hostile::mutate;
use swarm_types::MicroUsdc;

use crate::campaign::{Campaign, MIB};
use crate::server::{Server, http};

/// What is asked of the node in one case.
const QUESTIONS: usize = 9;

#[test]
fn answers_of_a_lying_node_are_errors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let params = Params::development(
        USDC,
        DEV_ACCOUNTS[7],
        DEV_ACCOUNTS[2],
        vec![DEV_ACCOUNTS[1]],
        1,
    );
    let dev = runtime
        .block_on(DevChain::start(&NodeConfig::default(), params))
        .expect("a chain");
    let honest = dev.chain().expect("a URL");
    let client = dev_wallet(0);
    runtime.block_on(async {
        let amount = MicroUsdc(1_000_000);
        dev.mint(client.address(), amount).await.expect("minted");
        for call in [honest.approve(amount), honest.deposit(amount)] {
            let tx = honest.send(&client, &call).await.expect("sent");
            let wait = std::time::Duration::from_secs(30);
            honest
                .rpc()
                .wait_for(tx, At::Latest, wait, |_| {})
                .await
                .expect("included");
        }
    });

    // What this case's damage is drawn from; `None` lets everything through.
    let chance = Arc::new(Mutex::new(None::<mutate::Random>));
    let (now, upstream) = (chance.clone(), dev.rpc_url.clone());
    let http_client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let server = runtime.block_on(Server::start(move |asked| {
        let (upstream, client) = (upstream.clone(), http_client.clone());
        // By the place in the case: hashes and times of the node are others in the next run.
        let mut chance = now.lock().expect("no panic");
        let chance = chance.as_mut().map(|chance| chance.number());
        async move {
            let sent = client
                .post(upstream)
                .header("content-type", "application/json")
                .body(asked.body)
                .send();
            let body = sent
                .await
                .expect("the node answers")
                .bytes()
                .await
                .expect("a body");
            match chance {
                None => http(200, "application/json", &body),
                Some(seed) => lie(&body, mutate::Random(seed)),
            }
        }
    }));
    let liar = Chain::new(&server.url, 84_532, dev.escrow, dev.token).expect("a URL");

    let damage = |random: &mut mutate::Random| {
        let mut case = random.number().to_le_bytes().to_vec();
        case.push(random.below(QUESTIONS) as u8);
        case
    };
    let ask = |question: u8, chain: &Chain| {
        let (client, start) = (client.address(), dev.escrow_block);
        let chain = chain.clone();
        async move {
            match question {
                0 => chain.check().await.map(drop),
                1 => chain.heads().await.map(drop),
                2 => chain.next_blocks(&[], start).await.map(drop),
                3 => chain.account(client, At::Latest).await.map(drop),
                4 => chain.epoch(1, At::Latest).await.map(drop),
                5 => chain.rpc().fees().await.map(drop),
                6 => chain.settlers(At::Latest).await.map(drop),
                7 => chain.owed(client, At::Latest).await.map(drop),
                _ => {
                    let known = chain.rpc().block(At::Latest).await?;
                    chain.next_blocks(&[known], start).await.map(drop)
                }
            }
        }
    };
    for question in 0..QUESTIONS as u8 {
        runtime
            .block_on(ask(question, &liar))
            .expect("the honest answer");
    }
    let decode = |case: &[u8]| {
        let (question, bits) = case.split_last().expect("a question");
        let bits = u64::from_le_bytes(bits.try_into().expect("8 bytes"));
        *chance.lock().expect("no panic") = Some(mutate::Random(bits));
        match runtime.block_on(ask(*question, &liar)) {
            Ok(()) => true,
            Err(error) => {
                assert!(
                    error.to_string().len() < 4_096,
                    "an error repeats what the node said at length"
                );
                false
            }
        }
    };
    // Half of the answers are damaged, and much damage is to what is not looked at.
    Campaign::new("chain", 1_000, 24 * MIB)
        .run(damage, decode)
        .at_least(100, 250);
}

/// The answer, damaged in half of the cases.
fn lie(body: &[u8], mut random: mutate::Random) -> Vec<u8> {
    let others = [body.to_vec()];
    let mut text = match random.below(8) {
        0..4 => body.to_vec(),
        4..6 => mutate::json(body, &others, &mut random),
        // Long hex is the code, the logs and the words of a contract.
        6 => {
            let mut text = body.to_vec();
            let hex = text.windows(2).position(|w| w == b"0x").unwrap_or(0);
            mutate::bytes(&mut text, hex, &others, &mut random);
            text
        }
        _ => br#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"execution reverted","data":"0x08c379a0ffff"}}"#.to_vec(),
    };
    if random.below(200) == 0 {
        // More than anybody asked for.
        text.resize(2 * MIB, b' ');
    }
    http(
        *random.one_of(&[200, 200, 200, 200, 429, 503]),
        "application/json",
        &text,
    )
}
