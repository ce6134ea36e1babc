# ./dev test [options of ctest]

. tools/dev/build.sh
. tools/dev/lambda.sh
. tools/dev/fuzz.sh
. tools/dev/cloud.sh

fuzz_seconds=5 # for each fuzzer, in a run of everything

dev_test() {
    local status=0
    need build test
    build_preset dev
    if (($# == 0)); then
        build_preset fuzz
        build_lambda
    fi
    offer_real_model
    offer_test_packages
    offer_node_packages
    offer_cloud_tools
    offer_dynamodb_local
    if [[ ! -d ${TERTULIA_TEST_DATA:-../shared/data} ]]; then
        say "No recordings at ${TERTULIA_TEST_DATA:-../shared/data} (TERTULIA_TEST_DATA): the tests that read them are left out."
    fi
    if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
        say "No Chromium (packages chromium and chromium-driver): the tests of the page in a browser are left out."
    fi
    # A part was asked for: only ctest. Its closing line stays the last, but for the scorecard.
    (($# > 0)) || run_fuzzers "$fuzz_seconds" || status=1
    rm -f build/dev/scorecard.md
    ctest --preset dev --output-on-failure -j2 "$@" || status=$?
    if [[ -s build/dev/scorecard.md ]]; then
        printf '\nProviders that fail (docs/reliability.md):\n\n'
        cat build/dev/scorecard.md
    fi
    return "$status"
}

# One test of the whole server talks to a real model. Without a network the rest is still worth running; in CI it is not.
offer_real_model() {
    local folder=$PWD/data/local-model model=smollm2-135m status=0
    python tools/local_model/fetch.py "$model" --into "$folder" --yes || status=$?
    if ((status == 0)); then
        export TERTULIA_TEST_MODEL_FILE=$folder/$model.gguf TERTULIA_TEST_MODEL_PYTHON=$folder/venv/bin/python
    elif [[ ${CI:-} == true || $status == 130 ]]; then
        exit "$status"
    else
        say "No small model (see above): the test that talks to a real one is left out."
    fi
}

# An independent WebSocket client, and SDKs of providers to compare our requests with; all other tests need only the
# standard library of Python.
offer_test_packages() {
    local venv=$PWD/build/test-venv list=tools/test_packages.txt
    if ! cmp -s "$list" "$venv/installed.txt"; then
        say "Installing the packages of $list into $venv ..."
        if rm -rf "$venv" && python -m venv "$venv" && "$venv/bin/python" -m pip install --no-deps --require-hashes \
            --only-binary :all: --quiet --progress-bar off --retries 2 --disable-pip-version-check -r "$list"; then
            cp "$list" "$venv/installed.txt"
        elif [[ ${CI:-} == true ]]; then
            die "test: the packages of $list could not be installed"
        else
            say "Without them (see above) the tests that need them are left out."
            return 0
        fi
    fi
    TERTULIA_TEST_PACKAGES=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    export TERTULIA_TEST_PACKAGES
}

# The AWS SDK for JavaScript, to compare our requests with.
offer_node_packages() {
    local folder=$PWD/build/test-node list=tests/oracles/package-lock.json
    if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; then
        say "No Node.js 20 with npm: the comparison with the AWS SDK for JavaScript is left out."
        return 0
    fi
    if ! cmp -s "$list" "$folder/installed.json"; then
        say "Installing the packages of $list into $folder ..."
        rm -rf "$folder"
        mkdir -p "$folder"
        cp tests/oracles/package.json "$list" "$folder"
        if (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
            cp "$list" "$folder/installed.json"
        elif [[ ${CI:-} == true ]]; then
            die "test: the packages of $list could not be installed"
        else
            say "Without them (see above) the comparison with the AWS SDK for JavaScript is left out."
            return 0
        fi
    fi
    export TERTULIA_TEST_NODE=$folder
}

# CDK and what checks the stack of deploy/cdk.
offer_cloud_tools() {
    if cloud_tools; then
        export TERTULIA_CLOUD_TOOLS=$cloud_venv
    elif [[ ${CI:-} == true ]]; then
        die "test: the tools for deploy/cdk could not be installed"
    else
        say "Without them (see above) the tests of what is deployed are left out."
    fi
}

# The service's own code, for the DynamoDB store. Java and Maven are installed only where there are none.
offer_dynamodb_local() {
    local folder=$PWD/build/dynamodb-local list=tests/dynamodb_local/pom.xml
    if cmp -s "$list" "$folder/installed.xml" && command -v java >/dev/null; then
        export TERTULIA_TEST_DYNAMODB_LOCAL=$folder/deps
        return 0
    fi
    if ! { command -v java && command -v mvn; } >/dev/null && ! (need java); then
        [[ ${CI:-} != true ]] || die "test: Java and Maven could not be installed"
        say "No Java or Maven (packages default-jre-headless and maven): the tests on DynamoDB Local are left out."
        return 0
    fi
    say "Fetching DynamoDB Local ($list) into $folder ..."
    rm -rf "$folder"
    mkdir -p "$folder"
    if mvn -q -B --strict-checksums -f "$list" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$folder/deps" >&2; then
        cp "$list" "$folder/installed.xml"
        export TERTULIA_TEST_DYNAMODB_LOCAL=$folder/deps
    elif [[ ${CI:-} == true ]]; then
        die "test: DynamoDB Local could not be fetched"
    else
        say "Without it (see above) the tests on DynamoDB Local are left out."
    fi
}
