use swarm_chain::devchain::dev_wallet;
use swarm_chain::{Chain, ChainError, Progress, SetupError};

use crate::*;

#[tokio::test]
async fn the_configured_chain_escrow_and_token_are_checked() {
    let (dev, chain) = start().await;
    let terms = chain.check().await.expect("all fits");
    assert_eq!(terms.window, params().window);
    assert_eq!(terms.max_seal_age, params().max_seal_age);
    assert_eq!(terms.default_cap, params().default_cap);
    assert_eq!(terms.max_entries, swarm_contracts::MAX_ENTRIES as u64);

    let wrong = |id, escrow, token| Chain::new(&dev.rpc_url, id, escrow, token).expect("url");
    let setup = |error: ChainError| match error {
        ChainError::Setup(error) => error,
        other => panic!("{other:?}"),
    };
    let other = wrong(8_453, dev.escrow, dev.token).check().await;
    let id = setup(other.expect_err("another chain"));
    assert_eq!(
        id,
        SetupError::ChainId {
            expected: 8_453,
            found: 84_532
        }
    );
    let other = wrong(84_532, account(0), dev.token).check().await;
    let code = setup(other.expect_err("no contract"));
    assert!(matches!(code, SetupError::NoCode { what: "escrow", .. }));
    let other = wrong(84_532, dev.escrow, dev.escrow).check().await;
    let token = setup(other.expect_err("another token"));
    assert!(matches!(
        token,
        SetupError::Differs {
            what: "the escrow's token",
            ..
        }
    ));
}

#[tokio::test]
async fn each_way_to_deposit_is_seen_once_and_in_order() {
    let (dev, chain) = start().await;
    let (client, gas) = (dev_wallet(CLIENT), dev_wallet(GAS));
    let me = client.address();
    let mut known = Vec::new();

    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    dev.mint(me, MicroUsdc(3_000_000)).await.expect("minted");
    let later = now(&chain).await + 3_600;
    let permit = chain
        .deposit_with_permit(&client, MicroUsdc(1_000_000), later)
        .await;
    send(&chain, &client, &permit.expect("permit")).await;
    let nonce = B256::repeat_byte(9);
    let signed = chain
        .authorize_deposit(&client, MicroUsdc(2_000_000), later, nonce)
        .await;
    // Somebody else brings it: the client needs no ETH, and only the client is credited.
    let signed = signed.expect("authorization");
    send(&chain, &gas, &chain.deposit_authorized(&signed)).await;
    dev.mine(3).await.expect("mined");

    let amounts = [5_000_000, 1_000_000, 2_000_000];
    let expected = amounts.map(|amount| EscrowEvent::Deposited {
        client: me,
        amount: MicroUsdc(amount),
    });
    assert_eq!(
        read_all(&chain, dev.escrow_block, &mut known).await,
        expected
    );
    assert_eq!(read_all(&chain, dev.escrow_block, &mut known).await, []);

    let account = chain.account(me, At::Latest).await.expect("account");
    assert_eq!(account.balance, MicroUsdc(8_000_000));
    assert_eq!(
        chain.liabilities(At::Latest).await.expect("sum"),
        MicroUsdc(8_000_000)
    );
    let held = chain.usdc(chain.escrow(), At::Latest).await.expect("held");
    assert_eq!(held, MicroUsdc(8_000_000));

    // The same authorization again is refused by the dry run, for nothing.
    let again = chain.send(&gas, &chain.deposit_authorized(&signed)).await;
    let error = again.expect_err("used");
    assert!(
        matches!(&error, ChainError::Reverted { reason, .. } if reason.contains("authorization is used")),
        "{error}"
    );
}

#[tokio::test]
async fn a_long_stretch_of_blocks_is_read_in_ranges() {
    let (dev, chain) = start().await;
    let mut known = Vec::new();
    deposit(&dev, &chain, MicroUsdc(1_000_000)).await;
    dev.mine(swarm_chain::watcher::RANGE_BLOCKS_MAX + 10)
        .await
        .expect("mined");
    deposit(&dev, &chain, MicroUsdc(2_000_000)).await;
    dev.mine(30).await.expect("mined");
    let events = read_all(&chain, dev.escrow_block, &mut known).await;
    let sums: Vec<_> = events
        .iter()
        .map(|event| match event {
            EscrowEvent::Deposited { amount, .. } => amount.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sums, [1_000_000, 2_000_000]);
    // Not a header for every block, and the last is the newest.
    assert!(known.len() < 60, "{}", known.len());
    let latest = chain.rpc().block(At::Latest).await.expect("block");
    assert_eq!(known[0], latest);
}

#[tokio::test]
async fn withdrawals_caps_and_signers_are_seen_and_withdrawal_pays() {
    let (dev, chain) = start().await;
    let client = dev_wallet(CLIENT);
    let me = client.address();
    let mut known = Vec::new();
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    send(&chain, &client, &chain.set_cap(MicroUsdc(200_000_000))).await;
    send(&chain, &client, &chain.add_order_signer(account(WORKER))).await;
    send(&chain, &client, &chain.remove_order_signer(account(WORKER))).await;
    send(
        &chain,
        &client,
        &chain.request_withdrawal(MicroUsdc(2_000_000)),
    )
    .await;
    let early = chain.send(&client, &chain.withdraw(me)).await;
    assert!(
        matches!(early, Err(ChainError::Reverted { .. })),
        "{early:?}"
    );
    let asked = chain.account(me, At::Latest).await.expect("account");
    assert_eq!(
        asked.collectable_before(asked.matures_at),
        MicroUsdc(5_000_000)
    );
    assert_eq!(
        asked.collectable_before(asked.matures_at + 1),
        MicroUsdc(3_000_000)
    );
    dev.advance(params().exit_delay).await.expect("time");
    let matured = chain.account(me, At::Latest).await.expect("account");
    assert_eq!(matured.chargeable, MicroUsdc(3_000_000));
    send(&chain, &client, &chain.withdraw(me)).await;

    let events = read_all(&chain, dev.escrow_block, &mut known).await;
    let kinds: Vec<_> = events.iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "deposited",
            "cap_changed",
            "signer_added",
            "signer_removed",
            "withdrawal_requested",
            "withdrawn"
        ]
    );
    assert_eq!(
        chain.usdc(me, At::Latest).await.expect("usdc"),
        MicroUsdc(2_000_000)
    );
}

#[tokio::test]
async fn a_deposit_is_followed_until_it_is_safe() {
    let (dev, chain) = start().await;
    let client = dev_wallet(CLIENT);
    dev.mint(client.address(), MicroUsdc(1))
        .await
        .expect("minted");
    send(&chain, &client, &chain.approve(MicroUsdc(1))).await;
    let tx = chain
        .send(&client, &chain.deposit(MicroUsdc(1)))
        .await
        .expect("sent");
    let mut seen = Vec::new();
    let follow = chain
        .rpc()
        .wait_for(tx, At::Finalized, WAIT, |progress| seen.push(progress));
    let mine = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            dev.mine(1).await.expect("mined");
        }
    };
    let (reached, ()) = tokio::join!(follow, mine);
    let reached = reached.expect("final");
    // Whatever of it a busy machine gets to see, it goes forward only.
    let rank = |progress: &Progress| match progress {
        Progress::NodeAway | Progress::Waiting => 0,
        Progress::Included { .. } => 1,
        Progress::Reached(_) => 2,
    };
    assert!(seen.is_sorted_by_key(rank), "{seen:?}");
    assert_eq!(seen.last(), Some(&Progress::Reached(reached)));
    let finalized = chain.rpc().block(At::Finalized).await.expect("block");
    assert!(finalized.number >= reached.block);
}

fn kind(event: &EscrowEvent) -> String {
    let json = serde_json::to_value(event).expect("json");
    json["kind"].as_str().expect("a kind").to_owned()
}
