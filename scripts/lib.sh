# What the scripts share. Source it; it sets `root`, `target` (where cargo builds) and `SWARM_CACHE`.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
export SWARM_CACHE=${SWARM_CACHE:-$HOME/.cache/swarmos}
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

# Prints what is missing and how to get it, then ends.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
