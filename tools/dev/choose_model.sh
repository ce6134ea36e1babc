# shellcheck disable=SC2034 # run.sh reads what is set here
# Which model ./dev run puts behind the server.

model_folder=$PWD/data/local-model
# Set by choose_model. model_file: a GGUF file to serve, empty where somebody else serves the model;
# model_note: where it runs, for people.
model_file='' model_name='' model_note='configured'

# The options of ./dev run. model_size: empty where none was asked for.
assume_yes='' model_size='' serve_arguments=()

choose_model() {
    local base_url context
    if [[ -n ${TERTULIA_MODEL_FILE:-} ]]; then
        use_own_file
    elif provider_is_configured; then
        : # the server knows
    elif IFS=$'\t' read -r base_url model_name context < <(python tools/local_model/find_running.py); then
        model_note="from the model server at ${base_url%/v1}"
        export TERTULIA_LOCAL_MODEL_BASE_URL=$base_url TERTULIA_LOCAL_MODEL_NAME=$model_name
        [[ -z $context ]] || export TERTULIA_LOCAL_MODEL_CONTEXT_WINDOW=$context
    else
        use_downloaded
    fi
}

# A key, a local model started by hand, or a configuration that names providers (the one that the server would read).
provider_is_configured() {
    [[ -z ${ANTHROPIC_API_KEY:-}${OPENAI_API_KEY:-}${TERTULIA_LOCAL_MODEL_BASE_URL:-} ]] || return 0
    local file=${TERTULIA_CONFIG:-tertulia.toml} i
    for ((i = 0; i < ${#serve_arguments[@]}; i++)); do
        [[ ${serve_arguments[i]} != --config ]] || file=${serve_arguments[i + 1]}
    done
    [[ -f $file ]] && grep -qE '^[[:space:]]*\[\[[[:space:]]*providers[[:space:]]*\]\]' "$file"
}

use_own_file() {
    model_file=$(as_called "$TERTULIA_MODEL_FILE")
    [[ -f $model_file ]] || die "run: TERTULIA_MODEL_FILE: no file $model_file"
    model_name=$(basename "$model_file" .gguf | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9._\n-' '-')
    model_note="from $model_file; it loads for a few seconds, turns wait until then"
    python tools/local_model/fetch.py --runtime-only --into "$model_folder" || exit
}

use_downloaded() {
    local default=qwen2.5-coder-1.5b small=qwen2.5-coder-0.5b
    model_name=$default
    # Who took the small one once is not made to fetch the other by a start that names none.
    if [[ $model_size == small || (-z $model_size && ! -f $model_folder/$default.gguf && -f $model_folder/$small.gguf) ]]; then
        model_name=$small
    fi
    python tools/local_model/fetch.py "$model_name" --into "$model_folder" ${assume_yes:+"$assume_yes"} || exit
    model_file=$model_folder/$model_name.gguf
    model_note="on this machine; it loads for a few seconds, turns wait until then"
}
