#!/usr/bin/env python3
"""Serves one GGUF file over HTTP on loopback until SIGTERM, or until the process that started it is gone.

llama.cpp's own server runs inside this process (package xllamacpp): /v1/chat/completions, /v1/models, and /health,
which answers 503 while the weights load. Run it with the Python of the virtual environment that fetch.py makes.
"""

import argparse
import ctypes
import os
import signal

# Before the library is loaded: threads that spin while they wait make a busy neighbour cost ten times as much.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

PR_SET_PDEATHSIG = 1


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", required=True, metavar="FILE", help="the GGUF file")
    arguments.add_argument("--name", required=True, help="what /v1/models calls it")
    arguments.add_argument("--port", required=True, type=int, help="port on 127.0.0.1")
    arguments.add_argument("--context", type=int, default=4096, metavar="TOKENS", help="prompt and answer together")
    options = arguments.parse_args()

    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        return  # the parent died before the line above
    # Ctrl-C reaches the whole foreground group; the turns that still run need the model, so only SIGTERM ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.name}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_ctx = options.context
    params.n_parallel = 1
    params.cpuparams.n_threads = min(len(os.sched_getaffinity(0)), 16)
    params.use_jinja = True  # the chat template that the file carries
    params.cache_ram_mib = 0  # the default would keep up to 8 GiB of old prompts
    params.ui = False
    params.cors_origins = "http://127.0.0.1"  # no page of a browser has business here
    server = xllamacpp.Server(params)
    print(f"serving {options.name} on {server.listening_address}", flush=True)
    signal.pause()  # SIGTERM's default action ends the process at once: there is nothing here to lose


if __name__ == "__main__":
    main()
