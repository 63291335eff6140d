//! The configuration files of the demo's queen and bees: what an operator would write.

use std::path::{Path, PathBuf};

use swarm_chain::devchain::{CHAIN_ID, DevChain};
use swarm_types::Address;

use super::DemoArgs;
use super::cast::{Cast, Player};

/// queen.toml.
pub fn queen(
    args: &DemoArgs,
    dir: &Path,
    models: &Path,
    cast: &Cast,
    chain: &DevChain,
    registry: Address,
) -> String {
    format!(
        r#"# Written by `swarmd demo`.
[keys]
queen = {{ file = {queen_key:?} }}
settlers = [{{ file = {settler_key:?} }}]
gas = {{ file = {gas_key:?} }}

[queen]
name = "demo"
state_dir = {state:?}
models_dir = {models:?}
operators = ["{operator}"]

[queen.listen]
address = "127.0.0.1:{port}"

[queen.chain]
chain_id = {chain_id}
rpc_url = "{rpc}"
escrow = "{escrow}"
token = "{token}"
escrow_block = {escrow_block}
default_cap = "10000000"

[queen.chain.ens]
chain_id = {chain_id}
rpc_url = "{rpc}"
registry = "{registry}"

[queen.fees]
fee = "100000"
protocol_payee = "{protocol_payee}"
operator_payee = "{operator_payee}"

[queen.limits]
# Everybody is on one machine, and so behind one address.
per_signer = {{ per_second = 500, burst = 2000 }}
per_address = {{ per_second = 500, burst = 2000 }}

[queen.settlement]
# The demo seals by hand, and moves the chain's clock past the challenge window.
seal_every = "1000days"
poll = "500ms"
follow_chain_clock = true

[queen.orb]
title = "SwarmOS demo"
# A visitor's browser may read the demo's chain by itself.
rpc_urls = ["{rpc}"]
{power}"#,
        power = args.power.as_ref().map(power).unwrap_or_default(),
        queen_key = cast.queen.key(),
        settler_key = cast.settler.key(),
        gas_key = cast.gas.key(),
        state = dir.join("queen"),
        operator = cast.operator.address,
        port = args.port,
        chain_id = CHAIN_ID,
        rpc = chain.rpc_url,
        escrow = chain.escrow,
        token = chain.token,
        escrow_block = chain.escrow_block,
        protocol_payee = cast.protocol_payee.address,
        operator_payee = cast.operator_payee.address,
    )
}

/// A site whose one meter replays a day.
fn power(day: &PathBuf) -> String {
    let day = std::path::absolute(day).unwrap_or_else(|_| day.clone());
    format!(
        r#"
[[queen.power.source]]
name = "day"
kind = "replay"
file = {day:?}
interval = "5s"
"#
    )
}

/// bee-NN.toml. Two bees share the processors.
pub fn bee(args: &DemoArgs, dir: &Path, name: &str, models: &Path, bee: &Player) -> String {
    let processors = std::thread::available_parallelism().map_or(2, |n| n.get());
    format!(
        r#"# Written by `swarmd demo`.
queen = "http://127.0.0.1:{port}"
name = "{name}"
key = {{ file = {key:?} }}
identity = {{ file = {identity:?} }}
models = {models:?}
model_cache = {cache:?}
threads = {threads}
drain_deadline = "10s"
"#,
        port = args.port,
        key = bee.key(),
        identity = bee.identity(),
        cache = dir.join(format!("{name}.models")),
        threads = (processors / 2).max(1),
    )
}
