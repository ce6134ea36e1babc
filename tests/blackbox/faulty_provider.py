#!/usr/bin/env python3
"""A provider that fails on purpose: each of the sixteen faults, for OpenAI Chat Completions and Responses, Anthropic
Messages, Bedrock Converse and InvokeModel, streamed and whole, chosen by the model's name.

In a test:   provider = FaultyProvider(scale=0.1); ...; provider.asked("f08.mine"); provider.close()
By hand:     faulty_provider.py [--port N] [--scale 0.1]

A model is named BEHAVIOUR[-OPTION...][.ANYTHING], whatever stands before a `mock-` is not looked at
(`us.anthropic.claude-mock-f08-once.3`). ANYTHING keeps models apart: state (the first call, since when) is per model.

    good             answers with the first 60 tokens of TEXT
    f01  429 with Retry-After 2 s, well afterwards      f09  stalls for 30 s after 40 tokens
    f02  429 for good                                   f10  a malformed chunk after 20 tokens
    f03  one 500                                        f11  no terminal event, though the answer is complete
    f04  503 for good                                   f12  context length exceeded
    f05  TCP reset before the head                      f13  a content filter's refusal
    f06  no answer for 120 s                            f14  refuses to go on from an assistant prefill
    f07  the first token after 20 s                     f15  fails for 60 s, but for short moments, and is back
    f08  cut after 40 of 60 tokens                      f16  cut after 40 tokens, its prompt's usage announced
    s429 (any status)   that status for good            quota  429, the quota is used up
    html  502 with a page in HTML                       empty  200, and a stream without anything
    inband  200 and an error in the stream              filter  400 by a content filter (OpenAI, Azure)

    once, twice, x5  only the first one, two, five calls fail        n100   answers are 100 tokens long
    c40              tokens before the fault                         g5     5 ms between two tokens
    d800             800 ms before the first token                   ws     what was cut ends with its white space
    t2000            f12: only prompts over 2 000 tokens             nocontinue  refuses to go on in any form
    each             what is counted is counted for each conversation (by its first message)
    noprefill        refuses to go on from an assistant prefill      a30, ams30, adate2  retry-after: 30 (ms; a date)

The catalogue's times are multiplied by `scale` (d, g and a are as they stand). Answers are one text, so that
the next provider can go on: asked with a beginning of it as the last assistant message, a model sends the rest.
"""

import argparse
import dataclasses
import email.utils
import math
import re
import time

from all_dialects import DIALECTS
from answers import CUT, END, RESET, STALL, Answer, Pause, Raw
from behaviour import Behaviour
from fake_upstream import FakeUpstream
from prompt_cache import Malformed, PromptCache
from provider_errors import FILTERED, LENGTH, TOO_LONG, in_band, malformed, refused, used_up

SENTENCES = (
    "A tertulia is a regular gathering of people who like to talk.",
    "It has no stage and no programme; whoever comes brings a story, a poem or a question.",
    "In Madrid’s old cafés — the Gijón, the Pombo — poets, painters and physicians met at the same table for years ☕.",
    "\n\nNobody owned the talk, and it never broke off.",
)
TEXT = " ".join(SENTENCES).replace(" \n", "\n") + "".join(
    f" Evening {n} began with coffee and ended with song number {n * n}." for n in range(1, 400)
)
TOKENS = re.findall(r"\s*\S+", TEXT)
PINGS = 20  # in one silence
REFUSAL = ("I", " cannot", " help", " with", " that.")
PREFILL_REFUSED = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


def whole_text(count=60):
    return "".join(TOKENS[:count])


class FaultyProvider(FakeUpstream):
    """The provider on a thread of its own. `requests`, `asked(model)`: what came, with times, usage and what was sent."""

    def __init__(self, port=0, scale=1.0, least_cached=1024):
        self.scale, self.cache, self.states = scale, PromptCache(least_cached), {}
        super().__init__(port)

    def next_answer(self, request):
        """A model with a script obeys that instead of its name."""
        if self.scripts.get(request.model):
            return super().next_answer(request)
        dialect = next((d.name for d in DIALECTS if d.serves(request.path)), None)
        if dialect is None:
            return Answer(status=404, body={"error": {"message": "no such path"}})
        with self.lock:
            key = request.model
            if "each" in Behaviour.named(key).flags and request.messages:
                key += request.messages[0][1]
            state = self.states.setdefault(key, {"calls": 0, "since": request.at})
            state["calls"] += 1
            call, since = state["calls"], state["since"]
        return Script(self, request, dialect, Behaviour.named(request.model), call, request.at - since).answer()


class Script:
    """Makes the answer to one request."""

    def __init__(self, provider, request, dialect, behaviour, call, elapsed):
        self.provider, self.request, self.dialect, self.behaviour = provider, request, dialect, behaviour
        self.call, self.elapsed = call, elapsed
        self.partial = ""

    def scaled(self, seconds):
        return seconds * self.provider.scale

    def refused(self, status, message="told by the provider", **more):
        return refused(self.dialect, status, message, headers=self.retry_headers(), **more)

    def retry_headers(self):
        b, headers = self.behaviour, {}
        if b.retry_after:
            headers["retry-after"] = b.retry_after
        if b.retry_after_ms:
            headers["retry-after-ms"] = b.retry_after_ms
        if b.retry_date is not None:
            headers["retry-after"] = email.utils.formatdate(time.time() + b.retry_date, usegmt=True)
        return headers

    def answer(self):
        problem = self.malformed_prompt()
        if problem:
            return self.refused(400, problem)
        b = self.behaviour
        self.partial, as_prefill = self.continued()
        if self.partial and "nocontinue" in b.flags:
            return self.refused(400, "This conversation cannot be continued.")
        if as_prefill and ("noprefill" in b.flags or b.fault == "f14"):
            return self.refused(400, PREFILL_REFUSED)
        failing = self.call <= b.calls and b.fault not in ("good", "f14")
        early = self.before_billing() if failing else None
        if early is not None:
            return early
        try:
            usage = self.provider.cache.bill(self.dialect, self.request.model, self.request.body)
        except Malformed as problem:
            return self.refused(400, str(problem))
        self.request.usage = usage
        return self.streamed_or_whole(usage, b.fault if failing else "good")

    def malformed_prompt(self):
        """What a strict provider refuses; none where all is well."""
        messages = self.request.body.get("messages") or self.request.body.get("input") or []
        if not self.request.messages or self.request.messages[0][0] != "user":
            return "messages: the first message must use the user role"
        if self.dialect.startswith("openai"):
            return None
        for message in messages:
            content = message.get("content")
            parts = [{"text": content}] if isinstance(content, str) else content or []
            if not parts or any("text" in part and not part["text"].strip() for part in parts):
                return "messages: text content blocks must be non-empty"
        if self.dialect == "bedrock" and any(a["role"] == b["role"] for a, b in zip(messages, messages[1:])):
            return "A conversation must alternate between user and assistant roles."
        if (
            messages[-1]["role"] == "assistant"
            and self.request.messages[-1][1] != self.request.messages[-1][1].rstrip()
        ):
            return "messages: final assistant content cannot end with trailing whitespace"
        return None

    def continued(self):
        """(the beginning of the answer that this request shows, is it a prefill?)"""
        whole = whole_text(self.behaviour.length)
        said = self.request.messages
        prefill = said[-1][0] == "assistant"
        last = said[-1][1] if prefill else said[-2][1] if len(said) > 1 and said[-2][0] == "assistant" else ""
        shown = last if prefill or whole.startswith(last) else last.rstrip()
        asked_to_go_on = prefill or re.search(r"continue|go on|cut off", said[-1][1], re.IGNORECASE)
        if shown and whole.startswith(shown) and (shown != whole or asked_to_go_on):
            return shown, prefill
        return "", prefill

    def before_billing(self):
        """Faults in which the provider does no work, so that it bills nothing; None for the others."""
        b, fault = self.behaviour, self.behaviour.fault
        if fault == "f01":
            return self.rate_limited()
        if fault == "f03" and self.call > 1:
            return None
        if match := re.fullmatch(r"s(\d{3})", fault):
            return self.refused(int(match[1]))
        if fault == "f02":
            return self.refused(429, "Rate limit reached")
        if fault == "f03":
            return self.refused(500, "Internal server error")
        if fault == "f04":
            return self.refused(503, "Overloaded")
        if fault == "f05":
            return Answer(before=[RESET])
        if fault == "f12" and (not b.limit or self.prompt_tokens() > b.limit):
            return self.refused(400, TOO_LONG[self.dialect], code="context_length_exceeded")
        if fault == "filter":
            return self.refused(400, "The response was filtered due to the prompt.", code="content_filter")
        if fault == "quota":
            return used_up(self.dialect)
        if fault == "html":
            return Answer(status=502, body="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        if fault == "f15" and self.elapsed < self.scaled(60) and self.elapsed % self.scaled(12) < self.scaled(10):
            return self.refused(503, "Overloaded") if self.call % 2 else Answer(before=[RESET])
        return None

    def rate_limited(self):
        """429 until two seconds after the first call."""
        left = self.scaled(2) - self.elapsed
        if self.call > 1 and left <= 0:
            return None
        hint = {"retry-after": "2"} if self.provider.scale == 1 else {"retry-after-ms": str(math.ceil(left * 1000))}
        return refused(self.dialect, 429, "Rate limit reached", headers=self.retry_headers() or hint)

    def prompt_tokens(self):
        return sum(len(text.split()) for _, text in self.request.messages)

    def streamed_or_whole(self, usage, fault):
        b = self.behaviour
        tokens = re.findall(r"\s*\S+|\s+$", whole_text(b.length)[len(self.partial) :])
        most = self.max_tokens()
        finish = LENGTH[self.dialect] if most and len(tokens) > most else None
        tokens = tokens[:most] if most else tokens
        if fault == "f13":
            tokens, finish = list(REFUSAL), FILTERED[self.dialect]
        items = self.with_fault(tokens, fault)
        usage = dataclasses.replace(usage, output=len(tokens))
        self.request.usage = usage
        if not self.request.streamed and fault == "f10":
            return Answer(body='{"id": "cut in', content_type="application/json")
        before = [Pause(self.scaled(120))] if fault == "f06" else []
        done = fault != "f11"
        if fault == "empty":
            return Answer(END, bare=True)
        return Answer(*items, usage=usage, finish=finish, before=before, done=done)

    def max_tokens(self):
        body = self.request.body
        named = body.get("max_tokens") or body.get("max_completion_tokens") or body.get("max_output_tokens")
        return named or (body.get("inferenceConfig") or {}).get("maxTokens")

    def with_fault(self, tokens, fault):
        """The tokens with what happens between them."""
        b = self.behaviour
        spaced = []
        for token in tokens:
            spaced += [token, Pause(b.gap)] if b.gap else [token]
        pause = []
        if b.delay:
            pause = [Pause(b.delay)]
        if fault == "f07":
            pause += self.silence(20)
        after, what = {
            "f08": (40, [CUT]),
            "f16": (40, [CUT]),
            "f09": (40, self.silence(30)),
            "f10": (20, [malformed(self.dialect)]),
            "inband": (0, [in_band(self.dialect), END]),
            "stall": (40, [STALL]),
            "end": (40, [END]),
            "reset": (40, [Pause(0.3), RESET]),
        }.get(fault, (None, []))
        if after is None:
            return pause + spaced
        already = len(re.findall(r"\s*\S+", self.partial))
        after = max(0, (after if b.cut is None else b.cut) - already)
        at = after * (2 if b.gap else 1)
        if "ws" in b.flags and after < len(tokens):
            blank = re.match(r"\s*", tokens[after])[0]
            rest = tokens[after][len(blank) :]
            return [*pause, *spaced[:at], *([blank] if blank else []), *what, rest, *spaced[at + 1 :]]
        return [*pause, *spaced[:at], *what, *spaced[at:]]

    def silence(self, seconds):
        """A pause with the dialect's pings in it."""
        if not self.request.streamed:
            return [Pause(self.scaled(seconds))]
        ping = next(d.ping for d in DIALECTS if d.name == self.dialect)
        step = [Raw(ping)] * bool(ping) + [Pause(self.scaled(seconds) / PINGS)]
        return step * PINGS


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--scale", type=float, default=1.0)
    chosen = options.parse_args()
    upstream = FaultyProvider(chosen.port, chosen.scale)
    print(f"listening on {upstream.url}", flush=True)
    try:
        upstream.thread.join()
    except KeyboardInterrupt:
        pass
