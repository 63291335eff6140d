#!/usr/bin/env bash
# The contract's checks that are not cargo tests of the workspace. About three minutes on two cores.
#
#   contracts/test.sh             everything
#   contracts/test.sh STEP...     some of: forge gas artifact tree slither
#
# UPDATE_ARTIFACT=1 contracts/test.sh artifact   writes artifacts/ anew after a change of src/
# FOUNDRY_FUZZ_RUNS, FOUNDRY_INVARIANT_RUNS, FOUNDRY_INVARIANT_DEPTH go deeper
# analysis/halmos and analysis/coverage take a minute each and are run by hand.
set -euo pipefail
contracts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$contracts")

# Every function of the escrow, on Circle's token: unit tests, fuzz, invariants.
forge_() {
    "$contracts/forge.sh" test --no-match-contract GasTest
}

# Gas of whole transactions against the table in snapshots/, which --isolate makes them.
# `forge.sh test --isolate --match-contract GasTest` writes the table anew.
gas() {
    "$contracts/forge.sh" test --isolate --match-contract GasTest --gas-snapshot-check true --gas-snapshot-emit false
}

# The artifacts are what src/ compiles to; the code fits the chain's limit.
artifact() {
    local package=$contracts/recompile/Cargo.toml
    cargo fmt --manifest-path "$package" --check
    cargo test --quiet --locked --manifest-path "$package" --target-dir "$root/target" --test artifact -- --nocapture
}

# The protocol's vectors of the tree, by a Certificate Transparency library; random trees are in tests/ct.rs.
tree() {
    "$contracts/test-ct/rfc9162.js" "$root/daemon/types/vectors/protocol.json"
}

slither() {
    "$contracts/analysis/slither"
}

if (($# == 0)); then
    set -- forge gas artifact tree slither
fi
for step in "$@"; do
    printf '== contracts: %s\n' "$step"
    case $step in
        forge) forge_ ;;
        gas | artifact | tree | slither) "$step" ;;
        *)
            echo "no step $step" >&2
            exit 2
            ;;
    esac
done
