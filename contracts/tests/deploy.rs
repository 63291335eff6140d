//! Deployment on a real node with its code size limit on, and the largest epoch that it takes.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod common;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::sol_types::SolValue;
use common::{Chain, dev_key};
use swarm_contracts::deploy::check_escrow;
use swarm_contracts::{DeployError, MAX_ENTRIES, Network, SwarmEscrow, Usdc, deploy, predict};
use swarm_types::eip712::{self, Domain};
use swarm_types::{MicroUsdc, sha256};

/// What one call may cost and weigh, so that blocks take it without delay.
const SETTLE_GAS_MAX: u64 = 14_000_000;
const SETTLE_BYTES_MAX: usize = 128 * 1024;

#[tokio::test]
async fn the_same_parameters_give_the_same_address_once() {
    let chain = Chain::start().await;
    let params = chain.params();
    let made = chain.deploy().await;
    assert_eq!(made.escrow, predict(&params, B256::ZERO));
    assert_ne!(made.escrow, predict(&params, B256::repeat_byte(1)));
    assert!(made.transaction.is_some() && made.block > 0);
    assert_eq!(made.constructor_arguments, params.constructor_arguments());

    let again = chain.deploy().await;
    assert_eq!((again.escrow, again.transaction), (made.escrow, None));

    let escrow = SwarmEscrow::new(made.escrow, &chain.provider);
    assert_eq!(escrow.token().call().await.unwrap(), params.token);
    assert_eq!(escrow.owner().call().await.unwrap(), params.owner);
    assert_eq!(escrow.guardian().call().await.unwrap(), params.guardian);
    assert_eq!(escrow.settlers().call().await.unwrap(), params.settlers);
    assert_eq!(escrow.threshold().call().await.unwrap(), params.threshold);
    assert_eq!(
        escrow.defaultCap().call().await.unwrap(),
        params.default_cap.0
    );
    assert_eq!(escrow.window().call().await.unwrap(), params.window);
    assert_eq!(escrow.exitDelay().call().await.unwrap(), params.exit_delay);
    assert_eq!(escrow.roleDelay().call().await.unwrap(), params.role_delay);
    assert_eq!(
        escrow.settlementTimeout().call().await.unwrap(),
        params.settlement_timeout
    );
    assert_eq!(
        escrow.maxSealAge().call().await.unwrap(),
        params.max_seal_age
    );
    assert_eq!(escrow.maxPause().call().await.unwrap(), params.max_pause);
    assert_eq!(
        escrow.MAX_ENTRIES().call().await.unwrap(),
        U256::from(MAX_ENTRIES)
    );
    assert_eq!(
        escrow.MAX_SETTLERS().call().await.unwrap(),
        U256::from(swarm_contracts::MAX_SETTLERS)
    );
    check_escrow(&chain.provider, &chain.network, made.escrow)
        .await
        .unwrap();

    // The file that a deployment leaves is read back as it was written.
    let file = serde_json::to_string(&made).unwrap();
    assert_eq!(
        serde_json::from_str::<swarm_contracts::Deployment>(&file).unwrap(),
        made
    );
}

#[tokio::test]
async fn nothing_is_sent_where_something_is_wrong() {
    let chain = Chain::start().await;
    let before = chain.provider.get_block_number().await.unwrap();
    let params = chain.params();
    let nowhere = Address::repeat_byte(0x77);

    let mut bad = params.clone();
    bad.window = bad.exit_delay;
    let error = deploy(&chain.provider, &chain.network, &bad, B256::ZERO)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::Params(_)), "{error}");

    let error = deploy(&chain.provider, &Network::base(), &params, B256::ZERO)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeployError::WrongChain { found: 84532, .. }),
        "{error}"
    );

    let mut bad = params.clone();
    bad.token = nowhere;
    let error = deploy(&chain.provider, &chain.network, &bad, B256::ZERO)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::WrongToken { .. }), "{error}");

    let network = Network::local(84532, nowhere, "USDC");
    let error = deploy(&chain.provider, &network, &bad, B256::ZERO)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::NoCode { .. }), "{error}");

    // The main network's name for the token makes another domain than this token signs in.
    let network = Network::local(84532, params.token, "USD Coin");
    let error = deploy(&chain.provider, &network, &params, B256::ZERO)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeployError::WrongTokenDomain { .. }),
        "{error}"
    );

    let error = check_escrow(&chain.provider, &chain.network, nowhere)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::NoCode { .. }), "{error}");

    assert_eq!(
        chain.provider.get_block_number().await.unwrap(),
        before,
        "nothing was sent"
    );
}

#[tokio::test]
async fn the_largest_epoch_fits_a_block() {
    let chain = Chain::start().await;
    let address = chain.deploy().await.escrow;
    let escrow = SwarmEscrow::new(address, &chain.provider);
    let client = Address::repeat_byte(0xc1);
    chain.deposit_for(address, client, 10_000_000).await;

    // The dearest mix: one client pays, and every payee is new.
    let payees = MAX_ENTRIES - 1;
    let charges = vec![eip712::Entry {
        account: client,
        amount: U256::from(1_000 * payees).to(),
    }];
    let payouts: Vec<_> = (1..=payees)
        .map(|i| eip712::Entry {
            account: Address::left_padding_from(
                &(0x1111_1111_1111_0000u64 + i as u64).to_be_bytes(),
            ),
            amount: U256::from(1_000u64).to(),
        })
        .collect();
    let seal = eip712::EpochSeal {
        epoch: 1,
        previous: B256::ZERO,
        receiptsRoot: sha256(b"any"),
        receiptCount: 1,
        bundle: B256::repeat_byte(0xb0),
        charged: 1_000 * payees as u128,
        charges: keccak256(charges.abi_encode()),
        payouts: keccak256(payouts.abi_encode()),
        sealedAt: chain.now().await,
    };
    let digest = Domain::new(chain.network.chain_id, address).digest(&seal);
    let approvals = [2, 3].map(|index| SwarmEscrow::Approval {
        signer: dev_key(index).address(),
        signature: dev_key(index)
            .sign_hash_sync(&digest)
            .unwrap()
            .as_bytes()
            .into(),
    });
    let mut approvals = Vec::from(approvals);
    approvals.sort_by_key(|approval| approval.signer);
    let entries = |entries: &[eip712::Entry]| entries.iter().map(Into::into).collect::<Vec<_>>();
    let call = escrow
        .settle(
            (&seal).into(),
            entries(&charges),
            entries(&payouts),
            approvals,
        )
        .gas(SETTLE_GAS_MAX);
    // What surrounds the calldata in a transaction is some 200 bytes.
    let bytes = call.calldata().len() + 1_024;
    assert!(bytes < SETTLE_BYTES_MAX, "{bytes} bytes");
    let receipt = call.send().await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "it ran out of gas");
    println!(
        "the largest epoch: {} gas, {bytes} bytes at most",
        receipt.gas_used
    );
    assert!(receipt.gas_used < SETTLE_GAS_MAX);

    // All of it is owed.
    let last = payouts.last().unwrap().account;
    assert_eq!(escrow.owed(last).call().await.unwrap().pending, 1_000);
    let held = Usdc::new(chain.network.token, &chain.provider)
        .balanceOf(address)
        .call()
        .await
        .unwrap();
    assert_eq!(held, U256::from(MicroUsdc(10_000_000).0));
}
