"""Faults that are in no catalogue: whatever a provider sends in the place of an answer, the next target answers."""

import socket
import unittest

import eventstream
from answers import CUT, END, Answer, Pause, Raw
from failures_case import ALL_WIRES, ANSWER, FailuresCase, Turn, provider_entry
from provider_errors import refused

FOREVER = 200  # times a tenth of a second: longer than any deadline here


def frame(kind, name, value):
    return Raw(eventstream.message(kind, name, value))


def before_content(wire):
    """{name: answer} of what comes in the place of an answer."""
    faults = {
        "found elsewhere": Answer(status=302, headers={"location": "http://127.0.0.1:9/"}, body=""),
        "moved": Answer(status=307, headers={"location": "/"}, body=""),
        "no content": Answer(status=204, body=""),
        "a page": Answer(body="<html>Log in to the hotel's network</html>", content_type="text/html"),
        "an error with 200": Answer(body=refused(wire, 500, "no").body),
        "nothing": Answer(body=""),
        "null": Answer(body="null"),
        "a cut head": Answer(before=[CUT]),
        "rubbish that says gzip": Answer(body=b"no gzip", headers={"content-encoding": "gzip"}),
        "an encoding nobody asked for": Answer(body="{}", headers={"content-encoding": "br"}),
        "no UTF-8": Answer(Raw(b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n'), CUT),
        "empty deltas for ever": Answer(*["", Pause(0.1)] * FOREVER),
        "an endless line": Answer(Raw(b"data: " + b"x" * (9 << 20)), CUT),
        "no end of the first event": Answer(Raw(b"data: {"), Pause(20)),
        "only the beginning": Answer(END),
    }
    if wire.startswith("bedrock"):
        del faults["no UTF-8"], faults["an endless line"], faults["no end of the first event"]
        frames = {
            "an unknown exception": frame("exception", "somethingNewException", {"message": "no"}),
            "a stream error": frame(
                "exception", "modelStreamErrorException", {"message": "no", "originalStatusCode": 500}
            ),
            "a throttled stream": frame("exception", "throttlingException", {"message": "slow down"}),
            "a wrong length": Raw(b"\x7f\xff\xff\xff\x00\x00\x00\x10\x00\x00\x00\x00" + b"x" * 100),
            "a cut frame": Raw(eventstream.message("event", "contentBlockDelta", {"delta": {"text": "x"}})[:40]),
            "no frame": Raw(b"HTTP/1.1 500 no\r\n\r\n"),
        }
        faults |= {name: Answer(item, END) for name, item in frames.items()}
    return faults


class OtherFaultsTest(FailuresCase):
    config = FailuresCase.config | {
        "retry": {"attempts": 2, "base_ms": 1, "max_ms": 5, "budget": 1.0},
        "breaker": {"failures": 0},
        "deadlines": {"first_token_ms": 900, "between_tokens_ms": 900},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {wire: cls.route(wire + "-odd", (wire, "odd"), (wire, "good")) for wire in ALL_WIRES}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        for name, address in (("nobody", f"http://127.0.0.1:{port}"), ("nowhere", "http://no-such-host.invalid")):
            entry = provider_entry(cls.upstream, "openai", name) | {"base_url": address + "/v1"}
            cls.entries["providers"].append(entry)
            targets = [f"{name}/any", cls.targets["openai"][1]]
            cls.entries["routes"].append({"name": name + "-first", "targets": targets})

    def assert_answered(self, route, streamed=True):
        turn = Turn.asked(self.server, "x", streamed, model=route)
        self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)
        if streamed:
            self.assertEqual(turn.text, ANSWER)
        return turn

    def test_in_the_place_of_an_answer(self):
        for wire in ALL_WIRES:
            for name, answer in before_content(wire).items():
                with self.subTest(name, wire=wire):
                    self.upstream.script(self.targets[wire][0].partition("/")[2], answer)
                    turn = self.assert_answered(wire + "-odd")
                    self.assertEqual(turn.names, ["turn.started", "text.delta", "turn.completed"])

    def test_in_the_middle_of_an_answer(self):
        for wire in ALL_WIRES:
            for name, answer in before_content(wire).items():
                if not answer.items or answer.items[0] == END:
                    continue
                with self.subTest(name, wire=wire):
                    begun = Answer("A tertulia is", " a regular", *answer.items)
                    self.upstream.script(self.targets[wire][0].partition("/")[2], begun)
                    turn = self.assert_answered(wire + "-odd")
                    (rerouted,) = turn.named("turn.rerouted")
                    self.assertEqual(rerouted["kept_chars"], len("A tertulia is a regular"))

    def test_nobody_there(self):
        for route in ("nobody-first", "nowhere-first"):
            with self.subTest(route):
                self.assert_answered(route)
                self.assert_answered(route, streamed=False)


if __name__ == "__main__":
    unittest.main()
