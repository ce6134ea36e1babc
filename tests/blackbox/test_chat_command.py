"""`tertulia chat`: a conversation with a running server, by pipe."""

import re
import unittest

from answers import CUT, Answer
from harness import ServerCase, run

TOKEN = "blackbox-chat-token"


class ChatCommandTest(ServerCase):
    def talk(self, text, *arguments, env=None):
        return run("chat", "--server", self.server.url, *arguments, text=text, env=env)

    def test_each_line_is_a_message_of_one_session(self):
        code, output, errors = self.talk("My name is Ada.\nWho am I?\n")
        self.assertEqual(code, 0, errors)
        for part in ("[1] My name is Ada.", "[3] Who am I?"):
            self.assertIn(part, output)

    def test_a_session_can_be_resumed_as_it_says(self):
        self.talk("first\n", "--session", "talked")
        code, output, errors = self.talk("second\n", "--session", "talked")
        self.assertEqual((code, "[3] second" in output), (0, True), output + errors)
        output, errors = self.talk("anonymous\n")[1:]
        named = re.search(r"--session ([\w.:-]+)", output + errors)
        self.assertTrue(named, "it does not say how to resume")
        self.assertEqual(self.server.history(named[1])[0]["content"], "anonymous")

    def test_a_model_can_be_named(self):
        self.talk("x\n", "--model", "anthropic/named")
        self.assertEqual(self.upstream.asked("named")[-1].messages, [("user", "x")])

    def test_a_failure_is_told_and_shows_in_the_exit_code(self):
        self.upstream.script("cut", Answer("half", CUT))
        code, output, errors = self.talk("x\n", "--model", "openai/cut")
        self.assertEqual(code, 1)
        self.assertIn("half", output)
        self.assertTrue(errors.strip())

    def test_control_characters_of_a_model_do_not_reach_the_terminal(self):
        self.upstream.script("evil", Answer("a\x1b[2J\x1b]0;title\x07b"))
        output = self.talk("x\n", "--model", "openai/evil")[1]
        self.assertNotIn("\x1b[2J", output)
        self.assertNotIn("\x1b]0", output)

    def test_no_server_is_told_in_one_line(self):
        code, output, errors = run("chat", "--url", "http://127.0.0.1:1", text="x\n")
        self.assertEqual(code, 1)
        self.assertIn("127.0.0.1:1", output + errors)

    def test_quit_and_an_empty_input_end_it(self):
        self.assertEqual(self.talk("/quit\nnot sent\n")[0], 0)
        self.assertEqual(self.talk("")[0], 0)


class ChatCommandTokenTest(ServerCase):
    config = {"api_token": TOKEN}

    def test_the_token_is_taken_from_the_environment_or_the_line(self):
        url = self.server.url
        self.assertIn("[1] x", run("chat", "--url", url, text="x\n", env={"TERTULIA_API_TOKEN": TOKEN})[1])
        self.assertIn("[1] x", run("chat", "--url", url, "--token", TOKEN, text="x\n")[1])
        code, output, errors = run("chat", "--url", url, text="x\n")
        self.assertEqual((code, TOKEN in output + errors), (1, False))


if __name__ == "__main__":
    unittest.main()
