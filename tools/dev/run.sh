# ./dev run [--yes] [--model-size small|default] [options of `tertulia serve`]

. tools/dev/build.sh
. tools/dev/choose_model.sh

tertulia=build/release/tertulia
server_pid='' model_pid='' announcer_pid=''

dev_run() {
    parse_run_arguments "$@"
    need build
    choose_model # before the long build: it may ask, or find that this machine is too small
    build_preset release
    [[ -z $model_file ]] || start_model_server
    start_server
    stay
}

parse_run_arguments() {
    while (($# > 0)); do
        case "$1" in
            --yes) assume_yes=--yes; shift ;;
            --model-size) take_model_size "${2:-}"; shift 2 ;;
            --model-size=*) take_model_size "${1#*=}"; shift ;;
            --config) serve_arguments+=(--config "$(as_called "${2:?./dev run: --config needs a file}")"); shift 2 ;;
            --config=*) serve_arguments+=(--config "$(as_called "${1#*=}")"); shift ;;
            *) serve_arguments+=("$1"); shift ;;
        esac
    done
}

take_model_size() {
    model_size=$1
    [[ $model_size =~ ^(small|default)$ ]] || die "run: --model-size is small or default, not '$model_size'"
}

# A path as the caller meant it: ./dev itself works in the project's root.
as_called() { (cd "${caller_directory:?}" && realpath -m -- "$1"); }

# Tertulia does not wait for it: /readyz says 503, and turns wait, while it loads.
start_model_server() {
    local port log=$model_folder/server.log
    port=$(python -c 'import socket
with socket.socket() as probe: probe.bind(("127.0.0.1", 0)); print(probe.getsockname()[1])')
    setsid "$model_folder/venv/bin/python" tools/local_model/serve.py \
        --model "$model_file" --name "$model_name" --port "$port" </dev/null >"$log" 2>&1 &
    model_pid=$!
    export TERTULIA_LOCAL_MODEL_BASE_URL=http://127.0.0.1:$port/v1
    export TERTULIA_LOCAL_MODEL_HEALTH_URL=http://127.0.0.1:$port/health
    export TERTULIA_LOCAL_MODEL_NAME=$model_name
}

# In a session of its own, so that Ctrl-C reaches only this script, which stops things in their order;
# with a death signal, so that nothing stays behind should this script be killed.
start_server() {
    local output
    exec {output}> >(announce)
    announcer_pid=$!
    setsid setpriv --pdeathsig TERM "$tertulia" serve "${serve_arguments[@]}" </dev/null >&"$output" {output}>&- &
    server_pid=$!
    exec {output}>&-
    trap 'kill -TERM "$server_pid" 2>/dev/null || true' INT TERM HUP
    trap stop_model_server EXIT
}

# Passes the server's output on, and follows its first line with what a newcomer needs.
announce() {
    local line
    trap '' INT
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line == "listening on "* ]] && introduce "${line#listening on }"
    done
    return 0
}

introduce() { # URL
    local model
    model=$("$tertulia" check-config "${serve_arguments[@]}" 2>/dev/null | sed -nE 's/^model = "?([^" ]+)"? .*/\1/p') || true
    [[ $model != local/* ]] || model+=" ($model_note)"
    cat <<END

  Tertulia listens on $1
  The model: ${model:-see the log}
  Try:

    curl $1/chat -H 'content-type: application/json' \\
      -d '{"session_id": "first", "message": "My name is Ada. What is the capital of France?"}'

  Ctrl-C stops it.

END
}

# Until the server ends, with its exit status. A model server that dies is told, and the server goes on:
# conversations can still be read.
stay() {
    local status ended=''
    while true; do
        status=0
        # Bash's own word on a killed job names our whole command line; ours is below.
        wait -n -p ended "$server_pid" ${model_pid:+"$model_pid"} 2>/dev/null || status=$?
        ended=${ended:-} # unset when a signal cut the wait; the trap has passed that on
        if [[ -n $model_pid && $ended == "$model_pid" ]]; then
            say "The model server ended (status $status); no turn can be answered until ./dev run is started again. Its last lines:"
            tail -n 8 "$model_folder/server.log" >&2 || true
            model_pid=''
        elif [[ $ended == "$server_pid" ]]; then
            ((status <= 128)) || say "The server was killed (signal $((status - 128)))."
            break
        fi
    done
    wait "$announcer_pid" || true
    exit "$status"
}

stop_model_server() {
    [[ -z $model_pid ]] || kill -TERM "$model_pid" 2>/dev/null || true
}
