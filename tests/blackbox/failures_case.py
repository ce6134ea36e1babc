"""What the tests of failing providers share: providers and routes by the dozen, and turns as they came to the client."""

import dataclasses

import client
from faulty_provider import FaultyProvider, whole_text
from harness import ServerCase, toml, wait_for

WIRES = ("openai", "anthropic", "bedrock")
KINDS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "bedrock": "bedrock-converse",
    "bedrock-invoke": "bedrock-invoke",
    "openai-responses": "openai-responses",
}
ALL_WIRES = tuple(KINDS)
MAKERS = {"bedrock": "us.anthropic.claude-mock-", "bedrock-invoke": "us.anthropic.claude-mock-"}  # whose models
SCALE = 0.1  # of the catalogue's times
ANSWER = whole_text()


def provider_entry(upstream, wire, name, **more):
    """A [[providers]] entry with a key, and so a circuit breaker, of its own."""
    entry = {
        "name": name,
        "kind": KINDS[wire],
        "base_url": upstream.url + ("/v1" if wire.startswith("openai") else ""),
        "api_key": f"key-of-{name}",
    }
    return entry | ({"region": "us-east-1"} if wire.startswith("bedrock") else {}) | more


@dataclasses.dataclass
class Turn:
    """One turn as the client saw it: its end, and its events where it was streamed."""

    status: int
    body: dict
    headers: dict
    events: list

    @staticmethod
    def asked(server, message, streamed, session=None, timeout=90, **fields):
        if not streamed:
            response = server.chat(message, session, timeout, **fields)
            return Turn(response.status, response.json, response.headers, [])
        stream = server.stream(message, session, timeout, **fields)
        if isinstance(stream, client.Response):
            return Turn(stream.status, stream.json, stream.headers, [])
        terminal = stream.finish()
        assert terminal is not None, f"a stream without its end: {stream.seen}"
        status = 200 if terminal.name == "turn.completed" else 503
        turn = Turn(status, terminal.json, stream.response.headers, stream.events)
        turn.text = stream.text
        stream.close()
        return turn

    text = None

    def named(self, name):
        return [e.json for e in self.events if e.name == name]

    @property
    def names(self):
        """The events' names in their order, those that follow each other counted once."""
        names = [e.name for e in self.events if e.name not in (":", "usage")]
        return [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]

    def text_before(self, name):
        """What the client had read when the first event of this name came."""
        text = ""
        for event in self.events:
            if event.name == name:
                return text
            if event.name == "text.delta":
                text += event.json["text"]
        return None

    @property
    def outcomes(self):
        return [(a["model"], a["outcome"]) for a in self.body.get("attempts", [])]


class FailuresCase(ServerCase):
    """A faulty provider behind the server, and as many [[providers]] and [[routes]] as the class makes.

    `routes` in `setUpRoutes`: `self.route(...)`. Retries are quick, deadlines short.
    """

    config = {
        "deadlines": {"first_token_ms": 1500, "between_tokens_ms": 1500, "turn_ms": 60000},
        "retry": {"attempts": 3, "base_ms": 20, "max_ms": 100, "budget": 1.0},
        "breaker": {"failures": 5, "probe_ms": 500},
    }
    server_per_test = True  # started here, after the routes

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.upstream.close()
        cls.upstream = FaultyProvider(scale=SCALE)
        cls.addClassCleanup(cls.upstream.close)
        cls.entries = {"providers": [], "routes": [], "prices": []}
        cls.setUpRoutes()
        cls.whole_config = cls.config | {k: v for k, v in cls.entries.items() if v}
        cls.server = cls.start(config=cls.whole_config)
        cls.addClassCleanup(lambda: cls.end(cls.server))

    @classmethod
    def setUpRoutes(cls):
        """Adds what the tests of the class need."""

    @classmethod
    def provider(cls, wire, name, **more):
        cls.entries["providers"].append(provider_entry(cls.upstream, wire, name, **more))
        return name

    @classmethod
    def route(cls, name, *targets, options=None, **more):
        """A route to (wire, model) targets, each at a provider of its own; their names are `name-0/model`, ..."""
        named = []
        for i, (wire, model) in enumerate(targets):
            provider = cls.provider(wire, f"{name}-{i}", **(options or {}))
            named.append(f"{provider}/{MAKERS.get(wire, '')}{model}.{name}-{i}")
        cls.entries["routes"].append({"name": name, "targets": named} | more)
        return named

    @classmethod
    def price(cls, model, **rates):
        cls.entries["prices"].append({"model": model} | rates)

    def calls(self, target):
        """The requests that came for one target (`provider/model`), oldest first."""
        return self.upstream.asked(target.partition("/")[2])


__all__ = ["ANSWER", "SCALE", "ALL_WIRES", "WIRES", "FailuresCase", "Turn", "provider_entry", "toml", "wait_for"]
