"""Four deadlines; each ends in 504 timed_out, and pings reset none of them."""

import socket
import time
import unittest

from answers import STALL, Answer, Pause, Raw, Thinking
from harness import ServerCase

COMMENT = Raw(b": keep-alive\n\n")
PING = Raw(b'event: ping\ndata: {"type": "ping"}\n\n')
DEADLINES = {"connect_ms": 700, "first_token_ms": 1500, "between_tokens_ms": 1000, "turn_ms": 4000}


class DeadlinesTest(ServerCase):
    config = {"deadlines": DEADLINES}

    def timed_out(self, answer, at_least, at_most, provider="openai", text=""):
        """Whole and streamed, the turn ends in timed_out within these seconds, with what text there was."""
        for stream in (False, True):
            with self.subTest(provider=provider, stream=stream):
                self.upstream.script("late", answer)
                begun = time.monotonic()
                if stream:
                    followed = self.server.stream("x", model=provider + "/late")
                    terminal = followed.finish()
                    self.assertEqual(terminal.name, "turn.failed", terminal.data)
                    body = terminal.json
                    self.assert_error_body(body, "timed_out")
                    self.assertEqual(followed.text, text)
                else:
                    body = self.assert_error(self.server.chat("x", model=provider + "/late"), 504, "timed_out")
                took = time.monotonic() - begun
                self.assertTrue(at_least <= took <= at_most, f"{took:.2f} s")
                assistant = self.server.history(body["session_id"])[1]
                self.assertEqual((assistant["content"], assistant["state"]), (text, "failed"))

    def test_first_token_before_the_head(self):
        for provider in ("openai", "anthropic"):
            self.timed_out(Answer("x", before=[STALL]), 1.2, 3.5, provider)

    def test_first_token_after_the_head(self):
        for provider in ("openai", "anthropic"):
            self.timed_out(Answer(STALL, "x"), 1.2, 3.5, provider)

    def test_pings_and_comments_do_not_reset_the_first_token(self):
        pings = [step for _ in range(30) for step in (PING, COMMENT, Pause(0.2))]
        self.timed_out(Answer(*pings, "x"), 1.2, 3.5, "anthropic")

    def test_between_tokens(self):
        for provider in ("openai", "anthropic"):
            self.timed_out(Answer("some", STALL), 0.8, 3, provider, "some")

    def test_pings_and_comments_do_not_reset_the_gap_between_tokens(self):
        pings = [step for _ in range(30) for step in (PING, COMMENT, Pause(0.2))]
        self.timed_out(Answer("some", *pings), 0.8, 3, "anthropic", "some")
        self.timed_out(Answer("some", *[s for _ in range(30) for s in (COMMENT, Pause(0.2))]), 0.8, 3, "openai", "some")

    def test_the_whole_turn(self):
        steps = [step for _ in range(40) for step in ("x", Pause(0.2))]
        self.upstream.script("whole", Answer(*steps))
        begun = time.monotonic()
        self.assert_error(self.server.chat("x", model="openai/whole"), 504, "timed_out")
        self.assertTrue(3.5 <= time.monotonic() - begun <= 6)

    def test_tokens_and_thinking_tokens_keep_a_turn_alive(self):
        self.upstream.script("alive", Answer(Pause(0.9), "a", Pause(0.6), "b", Pause(0.6), "c"))
        self.assert_answer(self.server.chat("x", model="openai/alive"), "abc")
        steps = [Thinking("hm"), Pause(0.6)] * 4
        self.upstream.script("thinking", Answer(*steps, "done"))
        self.assert_answer(self.server.chat("x", model="anthropic/thinking"), "done")

    def test_a_turn_that_timed_out_lets_go_of_its_upstream(self):
        self.upstream.script("dropped", Answer("some", STALL))
        self.assert_error(self.server.chat("x", model="openai/dropped"), 504, "timed_out")
        for _ in range(500):
            if self.upstream.asked("dropped")[0].peer_gone:
                return
            self.server.get("/healthz")
        self.fail("the upstream connection is still open")

    def test_connect(self):
        with socket.socket() as full:  # a listener whose queue is full: connects get no answer
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port, fillers = full.getsockname()[1], []
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
                self.addCleanup(filler.close)
            server = self.running(
                env={"OPENAI_BASE_URL": f"http://127.0.0.1:{port}"}, database=self.folder / "connect.db"
            )
            begun = time.monotonic()
            self.assert_error(server.chat("x"), 504, "timed_out")
            self.assertTrue(0.5 <= time.monotonic() - begun <= 3)


class ProviderDeadlinesTest(ServerCase):
    """A provider's own table goes before the general one."""

    @classmethod
    def start(cls, *arguments, **options):
        local = {
            "name": "local",
            "kind": "openai-chat",
            "base_url": cls.upstream.url + "/v1",
            "deadlines": {"first_token_ms": 5000},
        }
        cls.config = {"deadlines": {"first_token_ms": 600}, "providers": [local]}
        return super().start(*arguments, **options)

    def test_a_patient_provider_beside_an_impatient_one(self):
        self.upstream.script("slow", Answer("x", before=[Pause(1.5)]))
        self.assert_answer(self.server.chat("x", model="local/slow"), "x")
        self.assert_error(self.server.chat("x", model="openai/slow"), 504, "timed_out")


if __name__ == "__main__":
    unittest.main()
