//! The configuration files of a rack.

use swarm_chain::devchain::CHAIN_ID;

use super::Rack;
use super::line::Line;

/// queen.toml.
pub fn queen(rack: &Rack) -> String {
    let dir = rack.dir.path();
    let file = |name: &str| dir.join(name);
    format!(
        r#"[keys]
queen = {{ file = {queen_key:?} }}
settlers = [{{ file = {settler_key:?} }}]
gas = {{ file = {gas_key:?} }}

[queen]
state_dir = {state:?}
models_dir = {models:?}
operators = ["{operator}"]
shutdown = "3s"
{more_keys}

[queen.listen]
address = "{address}"

[queen.chain]
chain_id = {CHAIN_ID}
rpc_url = "{rpc}"
escrow = "{escrow}"
token = "{token}"
escrow_block = {escrow_block}
default_cap = "{default_cap}"

[queen.fees]
fee = "100000"
protocol_payee = "{protocol_payee}"
operator_payee = "{operator_payee}"

[queen.settlement]
seal_every = "1000days"
poll = "100ms"
follow_chain_clock = {follow}

[queen.limits]
per_signer = {{ per_second = 1e6, burst = 1e6 }}
per_address = {{ per_second = 1e6, burst = 1e6 }}
per_address_signed = {{ per_second = 1e6, burst = 1e6 }}
{more}
"#,
        queen_key = file("queen.key"),
        settler_key = file("settler.key"),
        gas_key = file("gas.key"),
        state = rack.state_dir(),
        models = file("models"),
        operator = rack.keys.operator.address(),
        more_keys = rack.plan.queen_keys,
        address = rack.base.trim_start_matches("http://"),
        rpc = rack.node.url(),
        escrow = rack.dev.escrow,
        token = rack.dev.token,
        escrow_block = rack.dev.escrow_block,
        default_cap = rack.plan.params.default_cap.0,
        protocol_payee = rack.keys.protocol_payee,
        operator_payee = rack.keys.operator_payee,
        follow = rack.plan.follow_chain_clock,
        more = rack.plan.queen_toml,
    )
}

/// bee-NN.toml.
pub fn bee(rack: &Rack, name: &str) -> String {
    let dir = rack.dir.path();
    format!(
        r#"queen = "{queen}"
name = "{name}"
key = {{ file = {key:?} }}
identity = {{ file = {identity:?} }}
models = {models:?}
model_cache = {cache:?}
model_poll = "200ms"
threads = 1
memory_mib = 512
drain_deadline = "5s"
"#,
        queen = rack.line.as_ref().map_or(rack.base.clone(), Line::url),
        key = dir.join(format!("{name}.key")),
        identity = dir.join(format!("{name}.age")),
        models = dir.join("models"),
        cache = dir.join(format!("{name}.models")),
    )
}
