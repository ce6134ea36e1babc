"""A request that the fake upstream got."""

import dataclasses
import re
import urllib.parse


@dataclasses.dataclass
class Request:
    """One request as it came, and what became of it."""

    path: str
    headers: dict
    body: dict
    connection: int  # number of the connection, from 1
    nth_on_connection: int  # 1 for its first request
    at: float
    raw: bytes = b""  # the body as it came
    method: str = "POST"
    answered: bool = False  # played to the end of its script
    peer_gone: bool = False  # the peer closed before that
    gone_at: float | None = None  # and when (time.monotonic())
    sent: list = dataclasses.field(default_factory=list)  # [(time, item)]: the content that went out
    usage: object = None  # the Usage that the provider bills for its prompt and announces for its answer, if it does

    @property
    def model(self):
        named = re.fullmatch(r"/model/([^/]+)/[a-z-]+", self.path)  # Bedrock
        return urllib.parse.unquote(named[1]) if named else self.body.get("model")

    @property
    def streamed(self):
        return self.path.endswith("-stream") or bool(self.body.get("stream"))

    @property
    def text(self):
        """The answer's text that went out."""
        return "".join(item for _, item in self.sent if isinstance(item, str))

    @property
    def billed(self):
        """The Usage that the provider bills: its prompt, and the answer as far as it went out. None: nothing."""
        if self.usage is None:
            return None
        return dataclasses.replace(
            self.usage, output=sum(bool(item.strip()) for _, item in self.sent if isinstance(item, str))
        )

    @property
    def messages(self):
        """[(role, text)] of the conversation proper, without system or developer messages."""
        return self.said_by("user", "assistant")

    @property
    def system(self):
        for name in ("system", "instructions"):
            if name in self.body:
                return plain_text(self.body[name])
        return "".join(text for _, text in self.said_by("system", "developer"))

    def said_by(self, *roles):
        said = self.body.get("messages") or self.body.get("input") or []
        return [(m["role"], plain_text(m["content"])) for m in said if m.get("role") in roles]


def plain_text(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])
