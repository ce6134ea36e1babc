# ./dev test [options of ctest]

. tools/dev/build.sh

dev_test() {
    need build
    build_preset dev
    offer_real_model
    if [[ ! -d ${TERTULIA_TEST_DATA:-../shared/data} ]]; then
        say "No recordings at ${TERTULIA_TEST_DATA:-../shared/data} (TERTULIA_TEST_DATA): the tests that read them are left out."
    fi
    ctest --preset dev --output-on-failure -j2 "$@"
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
