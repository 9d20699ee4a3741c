# Sourced by the scripts beside it: a virtual environment in .venv with this project installed.
#
#   use_venv EXTRAS    makes .venv where it is missing, installs ".[EXTRAS]" where pyproject.toml has
#                      changed since the last time, and sets `python` to its interpreter
#
# TUNESMITH_VENV=FOLDER uses an environment of your own as it stands and installs nothing.
# PYTHON=COMMAND chooses the Python to make .venv with.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "tunesmith: $*" >&2; }

stop() {
    say "$@"
    exit 1
}

find_python() {
    local name path names=(python3.11 python3.12 python3.13 python3 python)
    [ -z "${PYTHON:-}" ] || names=("$PYTHON")
    for name in "${names[@]}"; do
        while read -r path; do
            if "$path" -c 'import sys, ensurepip, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
                printf '%s\n' "$path"
                return
            fi
        done < <(type -ap "$name")
    done
    stop "no Python 3.11, 3.12 or 3.13 with its venv module was found among: ${names[*]}." \
        "Install one (Debian: apt install python3 python3-venv; macOS: brew install python@3.11)" \
        "and run this again, or say where it is: PYTHON=/path/to/python $0"
}

has_cuda() { [ -e /dev/nvidia0 ] || nvidia-smi -L >/dev/null 2>&1; }

# PyPI's torch for Linux brings gigabytes of CUDA. Where there is no device to use them, take the
# CPU build: from the places pip is configured with if they have it, else from PyTorch's own index.
install_torch() {
    local wanted index=https://download.pytorch.org/whl/cpu
    wanted=$("$python" scripts/_torch.py wanted)
    if [ "$(uname -s)" != Linux ] || has_cuda; then
        "${pip[@]}" install "$wanted"
    elif "${pip[@]}" install --dry-run --ignore-installed --no-deps --report - "$wanted" \
        2>/dev/null | "$python" scripts/_torch.py without-cuda; then
        "${pip[@]}" install "$wanted"
    elif ! "${pip[@]}" install --retries 1 --timeout 15 --index-url "$index" --no-deps "$wanted"; then
        stop "this machine has no CUDA device, and the CPU build of torch could not be had from" \
            "$index. Check the network, or put a CPU wheel of $wanted into a folder and run" \
            "PIP_FIND_LINKS=/that/folder $0"
    fi
}

install_project() {
    local began=$SECONDS base
    # One that was never finished, or whose Python is gone, is made anew.
    if ! compgen -G '.venv/installed-*' >/dev/null || ! "$python" -c 'import pip' 2>/dev/null; then
        base=$(find_python)
        say "making .venv with $base"
        "$base" -m venv --clear .venv
    fi
    say "installing into .venv, once: a minute or two, some 1.5 GB with torch"
    "${pip[@]}" install --upgrade 'pip>=24'
    install_torch
    "${pip[@]}" install --editable ".[$1]"
    say "installed in $((SECONDS - began)) s"
}

use_venv() {
    local key
    if [ -n "${TUNESMITH_VENV:-}" ]; then
        python=$TUNESMITH_VENV/bin/python
        return
    fi
    python=$PWD/.venv/bin/python
    pip=("$python" -m pip --quiet --disable-pip-version-check)
    key="$PWD $(cksum <pyproject.toml)"
    # What dev installs holds every other extra.
    if ! grep -qsxF "$key" ".venv/installed-$1" .venv/installed-dev; then
        install_project "$1"
        printf '%s\n' "$key" >".venv/installed-$1"
    fi
}
