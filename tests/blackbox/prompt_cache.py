"""How a provider counts and bills a prompt: tokens by a simple rule, and prompt caches by each provider's own.

A block (a message's part, a tool, a part of the system text) counts one token and one for each word in it.
Anthropic and Bedrock: only what ends at a breakpoint (`cache_control`, `cachePoint`) is written, at most four of them, each
prefix of at least `least` tokens; a later prompt reads the longest prefix that was written, if it ends at one of its
own breakpoints or at most 20 blocks before one. OpenAI: prompts with the same `prompt_cache_key` share their common
beginning, in steps of 128 tokens from `least` on; writing costs nothing.
"""

import json
import threading

from answers import Usage

LOOK_BACK = 20
MOST_BREAKPOINTS = 4
MARKS = ("cache_control", "cachePoint")


class Malformed(Exception):
    """A prompt that a provider refuses with 400."""


def blocks_of(body):
    """[(block as canonical text, its tokens' texts, is it a breakpoint?)] in the order in which a provider sees them."""
    parts = []

    def add(kind, value):
        if isinstance(value, str):
            value = {"text": value}
        if "cachePoint" in value:
            if parts:
                parts[-1] = (*parts[-1][:2], True)
            return
        plain = {k: v for k, v in value.items() if k not in MARKS}
        text = json.dumps([kind, plain], sort_keys=True, ensure_ascii=False)
        said = plain["text"] if isinstance(plain.get("text"), str) else json.dumps(plain)
        parts.append((text, [kind, *said.split()], any(value.get(mark) for mark in MARKS)))

    def add_all(kind, content):
        for part in [content] if isinstance(content, str) else content or []:
            add(kind, part)

    add_all("tool", body.get("tools") or (body.get("toolConfig") or {}).get("tools"))
    add_all("system", body.get("system") or body.get("instructions"))
    for message in body.get("messages") or body.get("input") or []:
        if "role" not in message:
            add("item", message)
            continue
        add_all(message["role"], message.get("content"))
        for call in message.get("tool_calls") or []:
            add(message["role"], call)
    return parts


class PromptCache:
    """One provider's caches, for all models and keys."""

    def __init__(self, least=1024):
        self.least, self.written, self.prompts, self.lock = least, set(), {}, threading.Lock()

    def bill(self, dialect, model, body):
        """The Usage of a prompt, `output` left at 0; what it writes can be read from now on."""
        with self.lock:
            if dialect.startswith("openai"):
                return self.bill_common_prefix(model, body)
            return self.bill_breakpoints(model, body)

    def bill_breakpoints(self, model, body):
        parts = blocks_of(body)
        ends = [i for i, (_, _, marked) in enumerate(parts) if marked]
        if len(ends) > MOST_BREAKPOINTS:
            raise Malformed(
                f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {len(ends)}."
            )
        prefix, prefixes, counts, total = (model,), [], [], 0
        for text, words, _ in parts:
            prefix, total = hash((prefix, text)), total + len(words)
            prefixes.append(prefix)
            counts.append(total)
        seen = {i for end in ends for i in range(max(0, end - LOOK_BACK), end + 1) if prefixes[i] in self.written}
        read = counts[max(seen)] if seen else 0
        writable = [end for end in ends if counts[end] >= self.least]
        self.written |= {prefixes[end] for end in writable}
        upto = max([counts[end] for end in writable] + [read])
        return Usage(input=total - upto, cache_read=read, cache_write=upto - read)

    def bill_common_prefix(self, model, body):
        words = [word for _, words, _ in blocks_of(body) for word in words]
        key = (model, body.get("prompt_cache_key"))
        earlier = self.prompts.setdefault(key, []) if key[1] else []
        shared = max((common(words, other) for other in earlier), default=0)
        read = shared - shared % 128 if shared >= self.least else 0
        earlier.append(words)
        return Usage(input=len(words) - read, cache_read=read)


def common(one, other):
    """How many items at the beginning are the same."""
    for i, (a, b) in enumerate(zip(one, other)):
        if a != b:
            return i
    return min(len(one), len(other))
