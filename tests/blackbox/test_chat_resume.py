"""`tertulia chat` through lost connections, restarts and Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import threading
import unittest

from answers import CUT, Answer
from cutting_proxy import CuttingProxy
from fake_upstream import Gate
from harness import ServerCase, wait_for
from server import binary, environment, prepare_child


class ChatProcess:
    """`tertulia chat` with a pipe at each end; what it has written so far is in `output` and `errors`."""

    def __init__(self, case, url, *arguments):
        self.process = subprocess.Popen(
            [binary(), "chat", "--url", url, *arguments],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=prepare_child,
        )
        self.written = {1: b"", 2: b""}
        self.readers = [
            threading.Thread(target=self.read, args=(number, pipe), daemon=True)
            for number, pipe in ((1, self.process.stdout), (2, self.process.stderr))
        ]
        for reader in self.readers:
            reader.start()
        case.addCleanup(self.end)

    def read(self, number, pipe):
        while data := os.read(pipe.fileno(), 65536):
            self.written[number] += data

    output = property(lambda self: self.written[1].decode())
    errors = property(lambda self: self.written[2].decode())

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_output(self, text):
        self.wait_written(lambda: text in self.output, text)

    def wait_errors(self, text):
        self.wait_written(lambda: text in self.errors, text)

    def wait_written(self, condition, text):
        try:
            wait_for(condition)
        except AssertionError:
            raise AssertionError(f"{text!r} is neither in {self.output!r} nor in {self.errors!r}") from None

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def finish(self):
        """Ends its input; the exit code."""
        self.process.stdin.close()
        return self.wait()

    def wait(self):
        code = self.process.wait(30)
        for reader in self.readers:
            reader.join()
        return code

    def end(self):
        self.process.kill()
        self.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class ChatResumeTest(ServerCase):
    def setUp(self):
        self.proxy = CuttingProxy(self.server.url)
        self.addCleanup(self.proxy.close)
        self.session = self.id().rpartition(".")[2]

    def chat(self, model="default", url=None):
        return ChatProcess(self, url or self.proxy.url, "--session", self.session, "--model", f"openai/{model}")

    def texts(self):
        return [(m["content"], m["state"]) for m in self.server.history(self.session)]

    def test_a_cut_stream_is_taken_up_where_it_broke(self):
        gates = [Gate(), Gate(), Gate()]
        self.upstream.script("cut", Answer("one ", gates[0], "two ", gates[1], "three ", gates[2], "four"))
        chat = self.chat("cut")
        chat.say("Count.")
        for gate, text in zip(gates, ("one ", "one two ", "one two three ")):
            chat.wait_output(text)
            self.proxy.cut()
            gate.open()
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "one two three four\n")
        self.assertIn("the connection is lost", chat.errors)
        self.assertEqual(len(self.upstream.asked("cut")), 1)

    def test_a_connection_that_breaks_again_and_again(self):
        pieces = [f"word{i} " for i in range(60)]
        self.upstream.script("bad", Answer(*pieces))
        self.proxy.cut_after = 1500
        chat = self.chat("bad")
        chat.say("Go.")
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "".join(pieces) + "\n")
        self.assertGreater(self.proxy.accepted, 3)
        self.assertEqual(len(self.upstream.asked("bad")), 1)

    def test_a_message_that_could_not_be_sent_is_sent_once_when_it_can_be(self):
        chat = self.chat()
        chat.say("first")
        chat.wait_output("first")
        self.proxy.away = True
        self.proxy.cut()
        chat.say("second")
        chat.wait_errors("trying again")
        self.proxy.away = False
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual([text for text, _ in self.texts()], ["first", "[1] first", "second", "[3] second"])

    def test_an_answer_that_is_lost_on_its_way_is_not_asked_for_twice(self):
        """The request arrives, its answer does not: the key finds the turn."""
        chat = self.chat("lost")
        chat.say("first")
        chat.wait_output("first\n")  # its end too: what the cut is for is the second one's answer
        gate = Gate()
        self.upstream.script("lost", Answer("here", gate))
        self.proxy.cut()
        self.proxy.cut_after = 1
        chat.say("second")
        wait_for(lambda: self.upstream.asked("lost")[-1].messages[-1] == ("user", "second"), "the second message")
        chat.wait_errors("trying again")
        self.proxy.cut_after = None
        gate.open()
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "[1] first\nhere\n")
        self.assertEqual(len(self.upstream.asked("lost")), 2)

    def test_a_waiting_message_is_said_to_wait(self):
        gate = Gate()
        self.upstream.script("slow", Answer("slow", gate))
        other = self.server.stream("other", self.session, model="openai/slow")
        other.until("text.delta")
        chat = self.chat("quick")
        chat.say("mine")
        chat.wait_errors("waits for the answer before it")
        self.assertEqual(chat.output, "")
        gate.open()
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "[3] mine\n")

    def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(self):
        gate = Gate()
        self.upstream.script("stop", Answer("half ", gate, "never"), Answer("and whole"))
        chat = self.chat("stop")
        chat.say("Go.")
        chat.wait_output("half ")
        chat.interrupt()
        chat.wait_errors("(stopped)")
        self.assertEqual(self.texts(), [("Go.", "completed"), ("half ", "cancelled")])
        chat.say("/continue")
        chat.wait_output("and whole")
        chat.finish()
        self.assertEqual(self.texts(), [("Go.", "completed"), ("half and whole", "completed")])

    def test_a_second_ctrl_c_leaves_and_the_server_goes_on(self):
        gate = Gate()
        self.upstream.script("leave", Answer("half ", gate, "and whole"))
        chat = self.chat("leave")
        chat.say("Go.")
        chat.wait_output("half ")
        self.proxy.away = True
        self.proxy.cut()
        chat.wait_errors("trying again")
        chat.interrupt()
        chat.wait_errors("could not be cancelled")
        chat.interrupt()
        self.assertEqual(chat.wait(), 130, chat.errors)
        self.assertIn(f"tertulia chat --session {self.session}", chat.errors)
        gate.open()
        self.assertEqual(self.server.wait_idle(self.session)[-1]["content"], "half and whole")

    def test_continue_without_an_unfinished_answer(self):
        chat = self.chat()
        chat.say("/continue")
        chat.say("x")
        chat.wait_output("x")
        chat.say("/continue")
        self.assertEqual(chat.finish(), 0)
        self.assertEqual(chat.errors.count("no unfinished answer"), 2)


class ChatRestartTest(ServerCase):
    server_per_test = True

    def test_a_server_that_is_killed_in_mid_answer_and_comes_back(self):
        server = self.running()
        address = server.url.removeprefix("http://")
        gate = Gate()
        self.upstream.script("killed", Answer("one ", "two ", gate, "never"), Answer("three"))
        chat = ChatProcess(self, server.url, "--session", "restart", "--model", "openai/killed")
        chat.say("Count.")
        chat.wait_output("one two ")
        server.kill()
        chat.wait_errors("trying again")
        server = self.running(listen=address)
        chat.wait_errors("/continue goes on")
        chat.say("/continue")
        chat.wait_output("three")
        chat.finish()
        stored = server.history("restart")
        self.assertEqual([m["state"] for m in stored], ["completed", "completed"])
        self.assertTrue(stored[1]["content"].endswith("three"), stored)
        self.assertIn("error: ", chat.errors)

    def test_a_message_to_a_server_that_is_away_waits_for_it(self):
        server = self.running()
        address = server.url.removeprefix("http://")
        chat = ChatProcess(self, server.url, "--session", "away")
        chat.say("first")
        chat.wait_output("[1] first")
        server.stop()
        chat.say("second")
        chat.wait_errors("trying again")
        server = self.running(listen=address)
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "[1] first\n[3] second\n")
        self.assertEqual(len(server.history("away")), 4)

    def test_the_unfinished_answer_of_an_earlier_run_can_be_continued(self):
        server = self.running()
        self.upstream.script("cut", Answer("half ", CUT), Answer("and whole"))
        server.chat("x", "earlier", model="openai/cut")
        chat = ChatProcess(self, server.url, "--session", "earlier")
        chat.say("/continue")
        self.assertEqual(chat.finish(), 0, chat.errors)
        self.assertEqual(chat.output, "half and whole\n")


if __name__ == "__main__":
    unittest.main()
