#!/usr/bin/env python3
"""Prints the model server that already listens on this machine: base URL, model and, where known, its context window.

One line, separated by tabs; exit status 1 and no line if there is none. An Ollama on its usual port comes first,
then a llama-server on port 8081. Only loopback is asked, with short deadlines: this runs at every start.
"""

import json
import sys
import urllib.request

OLLAMA = "http://127.0.0.1:11434"
LLAMA_SERVER = "http://127.0.0.1:8081"
OLLAMA_CONTEXT = 4096  # what Ollama gives a model unless told otherwise, whatever the model could take
SECONDS = 1.0

# Straight to loopback, whatever proxy the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def chat_model(tags: dict) -> str | None:
    """The first model of Ollama's list (its latest) that can chat: embedding models cannot."""
    for model in tags.get("models", []):
        name = model.get("name", "")
        details = model.get("details") or {}
        families = [details.get("family") or "", *(details.get("families") or [])]
        capabilities = model.get("capabilities")
        if capabilities is not None and "completion" not in capabilities:
            continue
        if any("bert" in family for family in families):
            continue
        if any(word in name.lower() for word in ("embed", "bge-", "minilm", "rerank")):
            continue
        if name:
            return name
    return None


def served_model(models: dict) -> str | None:
    """The model of a llama-server's list; it has one."""
    for model in models.get("data", []):
        if model.get("id"):
            return model["id"]
    return None


def get(url: str) -> dict | None:
    """The JSON object at `url`; None if nobody answers, or something else does."""
    try:
        with _opener.open(url, timeout=SECONDS) as answer:
            found = json.loads(answer.read(4 << 20))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def find() -> tuple[str, str, str] | None:
    tags = get(f"{OLLAMA}/api/tags")
    if tags and (name := chat_model(tags)):
        return f"{OLLAMA}/v1", name, str(OLLAMA_CONTEXT)
    if get(f"{LLAMA_SERVER}/health") is not None:
        models = get(f"{LLAMA_SERVER}/v1/models")
        if models and (name := served_model(models)):
            return f"{LLAMA_SERVER}/v1", name, ""
    return None


def main() -> int:
    found = find()
    if not found:
        return 1
    print("\t".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
