# Sourced by the scripts beside it, from the repository's root: makes .venv and puts the package into it.

# True for a Python that can run geventsio; $1 is the program.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Prints the first Python that can make the environment. $PYTHON, when set, is the only candidate.
find_python() {
    bare=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
        new_enough "$candidate" || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        bare=${bare:-$candidate}
    done
    if [ -n "$bare" ]; then
        echo "$bare is there without its venv module (Debian and Ubuntu: apt-get install python3-venv)." >&2
    else
        echo "No Python 3.10 or newer found${PYTHON:+ as $PYTHON}; install one, then run this again." >&2
    fi
    return 1
}

# Makes .venv unless a usable one is there; one that was left half made, or lost its Python, is made anew.
make_environment() {
    if new_enough .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null; then
        return
    fi
    python=$(find_python)
    echo "Making .venv with $python ($("$python" -V))"
    "$python" -m venv --clear .venv
}

# Puts the package with one extra ($1) into .venv, editable. Quick when setup.cfg is as it was the last time; the
# path is compared as well, because the files of an environment name it.
install_extra() {
    make_environment
    wanted=$(pwd && cat setup.cfg)
    installed=.venv/geventsio-$1.txt
    if [ "$wanted" = "$(cat "$installed" 2>/dev/null)" ]; then
        return
    fi
    echo "Installing geventsio[$1] into .venv"
    # Older ones can't install a package as editable that has no setup.py.
    .venv/bin/python -m pip install -q --disable-pip-version-check 'pip >= 21.3'
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$1]"
    printf '%s\n' "$wanted" >"$installed"
}
