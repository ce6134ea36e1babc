"""A request that the fake upstream got."""

import dataclasses


@dataclasses.dataclass
class Request:
    """One request as it came, and what became of it."""

    path: str
    headers: dict
    body: dict
    connection: int  # number of the connection, from 1
    nth_on_connection: int  # 1 for its first request
    at: float
    answered: bool = False  # played to the end of its script
    peer_gone: bool = False  # the peer closed before that
    gone_at: float | None = None  # and when (time.monotonic())

    @property
    def model(self):
        return self.body.get("model")

    @property
    def messages(self):
        """[(role, text)] of the conversation proper, without system or developer messages."""
        return self.said_by("user", "assistant")

    @property
    def system(self):
        if "system" in self.body:
            return plain_text(self.body["system"])
        return "".join(text for _, text in self.said_by("system", "developer"))

    def said_by(self, *roles):
        return [(m["role"], plain_text(m["content"])) for m in self.body.get("messages", []) if m["role"] in roles]


def plain_text(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])
