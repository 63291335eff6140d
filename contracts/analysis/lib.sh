# What the analysers share. Source it; it sets up their virtual environment, and `project NAME` makes a
# copy of the contracts to analyse: they build with settings of their own and leave files behind.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
contracts=$(dirname "$here")
export SWARM_CACHE=${SWARM_CACHE:-$HOME/.cache/swarmos}
tools=$SWARM_CACHE/analysis
modules=$SWARM_CACHE/npm/node_modules
[[ -x $modules/@foundry-rs/forge-linux-amd64/bin/forge ]] || { echo "no forge in $SWARM_CACHE: run scripts/setup" >&2; exit 1; }

# Installs the analysers, once for each content of requirements.txt.
analysers() {
    if ! cmp -s "$here/requirements.txt" "$tools/installed.txt"; then
        echo "installing Slither and Halmos into $tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$tools/installed.txt"
    fi
    export PATH=$tools/bin:$modules/@foundry-rs/forge-linux-amd64/bin:$PATH
}

# Goes to a fresh folder with the sources and a foundry.toml of one profile: as the escrow is deployed.
project() {
    local work=$tools/work-$1
    rm -rf "$work"
    mkdir -p "$work/test"
    cp -r "$contracts/src" "$contracts/solc.js" "$work/"
    cat >"$work/foundry.toml" <<'TOML'
[profile.default]
libs = []
evm_version = "cancun"
optimizer = true
optimizer_runs = 200
via_ir = true
ast = true
offline = true
auto_detect_remappings = false
TOML
    export FOUNDRY_SOLC=$work/solc.js
    export FOUNDRY_REMAPPINGS="@openzeppelin/=$modules/@openzeppelin/"
    export FOUNDRY_ALLOW_PATHS="[\"$modules\"]"
    cd "$work"
}
