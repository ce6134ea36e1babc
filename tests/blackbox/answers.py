"""What the fake upstream answers, as values: an Answer is a small script.

    Answer("Hel", "lo")                                        two text deltas, then the ordinary end
    Answer(Thinking("hm"), "42", usage=Usage(input=7, output=2))
    Answer("Hel", gate, "lo")                                  waits in mid-stream until the test opens the gate
    Answer("Hel", CUT)                                         closes the connection in the middle of the answer
    Answer(status=429, headers={"retry-after": "2"}, body={...})

dialects.py renders it, fake_upstream.py plays it.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Thinking:
    text: str


@dataclasses.dataclass(frozen=True)
class Refusal:
    """OpenAI's `delta.refusal`; in Anthropic's dialect plain text (there the stop reason tells)."""

    text: str


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    fragments: tuple = ()
    id: str = "call_1"


@dataclasses.dataclass(frozen=True)
class Raw:
    """Bytes of the stream as they are: pings, unknown events, in-band errors, rubbish."""

    data: bytes


@dataclasses.dataclass(frozen=True)
class Pause:
    seconds: float


CONTENT = (str, Thinking, Refusal, Tool)


class Mark:
    """A step that is no content."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


NEXT_BLOCK = Mark("NEXT_BLOCK")  # the next text begins a content block of its own (Anthropic)
# Four bad ends; what follows them is never sent.
CUT = Mark("CUT")  # the connection is closed in mid-body
END = Mark("END")  # the body ends cleanly, but without the dialect's terminal event
RESET = Mark("RESET")  # TCP reset
STALL = Mark("STALL")  # nothing more, until the peer goes away


@dataclasses.dataclass(frozen=True)
class Usage:
    """Disjoint classes, as our own API reports them."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


AUTOMATIC = Usage(-1)


class Answer:
    """One scripted answer.

    `before` (pauses, gates, faults) is played before the response head; `shape` ("sse" or "json") overrules what the
    request asked for; `body` (text, bytes or a value to be JSON) is sent as it is instead of the items; `done=False`
    leaves the terminal event out; `framing="close"` ends the body by closing; `usage=None` reports none; `bare=True`:
    the items are the whole stream, without the dialect's own beginning and end (a recording).
    """

    def __init__(
        self,
        *items,
        usage=AUTOMATIC,
        finish=None,
        status=200,
        headers=None,
        body=None,
        content_type=None,
        shape=None,
        gzip=False,
        done=True,
        before=(),
        framing="chunked",
        bare=False,
    ):
        self.items, self.usage, self.finish, self.status = items, usage, finish, status
        self.headers, self.body, self.content_type = dict(headers or {}), body, content_type
        self.shape, self.gzip, self.done, self.before, self.framing = shape, gzip, done, tuple(before), framing
        self.bare = bare

    @property
    def text(self):
        return "".join(i if isinstance(i, str) else i.text for i in self.items if isinstance(i, (str, Refusal)))

    def reported(self, words):
        if self.usage is AUTOMATIC:
            return Usage(input=words, output=sum(isinstance(i, (str, Refusal)) for i in self.items))
        return self.usage
