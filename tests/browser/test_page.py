"""The server's page in a real browser: what a person sees of turns that survive reloads, lost networks and restarts."""

import unittest

from case import ENTER, ESCAPE, PATIENCE, RELEASE, SHIFT, BrowserCase, wait_for

from answers import CUT, Answer, Thinking, Tool
from cutting_proxy import CuttingProxy
from fake_upstream import Gate

TOKEN = "the-token-of-the-page"


class PageTest(BrowserCase):
    def script(self, *answers):
        self.upstream.script("default", *answers)

    def asked(self, text):
        """How often the model was asked this."""
        return sum(request.messages[-1] == ("user", text) for request in self.upstream.asked("default"))

    def test_an_answer_streams_and_is_there_after_a_reload(self):
        gate = Gate()
        self.script(Answer(Thinking("hm"), "One ", gate, "**two**."))
        self.open("")
        self.say("Count.")
        self.wait_text("One")
        self.assertEqual(self.messages()[-1]["state"], "running")
        gate.open()
        self.wait_state("completed")
        shown = [("user", "Count."), ("assistant", "One two.")]
        self.assertEqual(self.texts(), shown)
        self.assertEqual(self.browser.run("return document.querySelector('.assistant strong').innerText"), "two")
        self.assertEqual(self.browser.run("return document.querySelector('details').open"), False)
        self.assertIn("openai/default", self.messages()[-1]["foot"])
        session = self.browser.run("return location.hash.slice(1)")
        self.assertEqual([m["content"] for m in self.server.history(session)], ["Count.", "One **two**."])
        self.browser.reload()
        self.wait_state("completed")
        self.assertEqual(self.texts(), shown)
        self.assertEqual(self.browser.run("return document.querySelector('details div').textContent"), "hm")
        self.assertEqual(self.browser.run("return document.title"), "Count. · Tertulia")

    def test_a_tool_s_call_and_its_result_are_noted(self):
        tool = {"name": "get_weather", "input_schema": {"type": "object"}}
        self.script(Answer("Let me see.", Tool("get_weather", ('{"city":', '"Oslo"}'), id="c1")), Answer("Warm."))
        self.server.chat("Is it warm?", "with-tools", tools=[tool])
        result = {"type": "tool_result", "tool_use_id": "c1", "content": "12 degrees"}
        self.server.chat(None, "with-tools", content=[result], tools=[tool])
        self.open("with-tools")
        self.wait_text("Warm.")
        feet = [message["foot"] for message in self.messages()]
        self.assertIn('get_weather({"city":"Oslo"})', feet[1])
        self.assertIn("a tool's result: 12 degrees", feet[2])

    def test_a_call_that_another_model_takes_back_is_not_noted(self):
        """Not even until the page has read the history, which it never can here."""
        gate = Gate()
        self.upstream.script("one", Answer("Let me see.", Tool("look", ('{"city":',), id="c1"), CUT))
        self.upstream.script("two", Answer("I know ", gate, "it."))
        config = {"routes": [{"name": "smart", "targets": ["openai/one", "openai/two"]}], "retry": {"attempts": 1}}
        server = self.running(config=config, database=self.folder / "routes.db", model="smart")
        self.open(server=server)
        self.say("Where?")
        self.wait_text("I know")
        self.browser.run(
            """const real = window.fetch;
            window.fetch = (path, how) => String(path).includes("/messages") ? new Promise(() => {}) : real(path, how);"""
        )
        gate.open()
        self.wait_state("completed")
        shown = self.messages()[-1]
        self.assertEqual((shown["text"], "look(" in shown["foot"]), ("I know it.", False), shown["foot"])

    def test_a_reload_in_mid_answer_goes_on_without_doubling(self):
        gates = [Gate(), Gate()]
        self.script(Answer("One ", "two ", gates[0], "three ", gates[1], "four"))
        self.open()
        self.say("Go.")
        self.wait_text("One two")
        self.browser.reload()
        self.wait_text("One two")
        gates[0].open()
        self.wait_text("One two three")
        self.browser.reload()
        self.wait_text("One two three")
        gates[1].open()
        self.wait_state("completed")
        self.assertEqual(self.texts(), [("user", "Go."), ("assistant", "One two three four")])
        self.assertEqual(self.asked("Go."), 1)
        self.assertEqual(len(self.server.history(self.session)), 2)

    def test_a_second_window_shows_the_same_answer_growing(self):
        self.script(Answer("Hello"))
        self.open()
        self.say("First.")
        self.wait_state("completed")
        other = self.second_window()
        self.open()
        self.wait_text("Hello")
        gates = [Gate(), Gate()]
        self.script(Answer("a ", gates[0], "b ", gates[1], "c"))
        self.browser.switch(self.first_window)
        self.say("Second.")
        for i, text in enumerate(("a", "a b", "a b c")):
            for window in (other, self.first_window):
                self.browser.switch(window)
                expected = [("user", "Second."), ("assistant", text)]  # the question is read once the answer begins
                wait_for(lambda: self.texts()[2:] == expected, f"{expected} in each window", PATIENCE)
            if i < 2:
                gates[i].open()
        for window in (other, self.first_window):
            self.browser.switch(window)
            self.wait_state("completed")
            self.assertEqual(len(self.messages()), 4)

    def test_stop_and_continue(self):
        gate = Gate()
        for stop in ("button", "Escape"):
            with self.subTest(stop):
                self.script(Answer("Once upon ", gate, "a time"), Answer("a midnight"))
                self.open(f"{self.session}-{stop}")
                self.say("Tell.")
                self.wait_text("Once upon")
                request = self.upstream.asked("default")[-1]
                if stop == "button":
                    self.browser.click("#stop")
                else:
                    self.browser.type("#text", ESCAPE)
                self.assertIn("Stopped.", self.wait_state("cancelled")[-1]["foot"])
                wait_for(lambda: request.peer_gone, "the end of the request to the model")
                self.assertEqual(self.messages()[-1]["text"], "Once upon")
                self.browser.reload()
                self.wait_state("cancelled")
                self.press("Continue")
                self.wait_state("completed")
                self.assertEqual(self.texts(), [("user", "Tell."), ("assistant", "Once upon a midnight")])
                self.browser.reload()
                self.wait_state("completed")
                self.assertEqual(self.texts(), [("user", "Tell."), ("assistant", "Once upon a midnight")])

    def test_a_failure_is_told_and_can_be_tried_again(self):
        self.script(Answer("half ", CUT), Answer("and whole"))
        self.open()
        self.say("Try.")
        self.wait_state("failed")
        told = lambda shown: "cut short" in shown[-1]["foot"]  # noqa: E731
        self.wait_messages(told, "the reason")
        self.assertEqual(self.messages()[-1]["text"], "half")
        self.browser.reload()
        self.wait_messages(lambda shown: shown and told(shown), "the reason after a reload")
        self.press("Continue")
        self.wait_state("completed")
        self.assertEqual(self.texts(), [("user", "Try."), ("assistant", "half and whole")])

    def test_a_second_message_waits_for_the_first_answer(self):
        gates = [Gate(), Gate()]
        self.script(Answer("one", gates[0]), Answer("two", gates[1]))
        self.open()
        self.say("First.")
        self.wait_text("one")
        self.say("Second.")
        self.wait_messages(lambda shown: "Waits" in shown[-1]["foot"], "a message that waits")
        self.assertEqual([m["pending"] for m in self.messages()], [False, False, True])
        self.say("Third.")
        self.wait_messages(lambda shown: len(shown) == 4 and "Waits" in shown[-1]["foot"], "another that waits")
        self.press("Cancel")  # of the second
        self.wait_messages(lambda shown: len(shown) == 3, "one of them to be taken back")
        gates[0].open()
        self.wait_text("two")
        gates[1].open()
        self.wait_state("completed")
        self.assertEqual(
            self.texts(), [("user", "First."), ("assistant", "one"), ("user", "Third."), ("assistant", "two")]
        )

    def test_what_is_written_without_a_network_is_sent_once_with_it(self):
        self.script(Answer("Hello"))
        self.open()
        self.say("First.")
        self.wait_state("completed")
        self.addCleanup(self.browser.offline, False)
        self.browser.offline(True)
        self.say("Written in a tunnel.")
        self.wait_messages(lambda shown: "No connection" in shown[-1]["foot"], "a message that is kept")
        self.browser.offline(False)
        self.wait_messages(lambda shown: len(shown) == 4 and shown[-1]["state"] == "completed", "its answer")
        self.assertEqual(self.asked("Written in a tunnel."), 1)
        self.assertEqual(len(self.server.history(self.session)), 4)

    def test_a_connection_that_is_cut_in_mid_answer_is_taken_up_again(self):
        proxy = CuttingProxy(self.server.url)
        self.addCleanup(proxy.close)
        gates = [Gate(), Gate()]
        self.script(Answer("Hello"), Answer("one ", gates[0], "two ", gates[1], "three"))
        self.browser.open(f"{proxy.url}/#{self.session}")
        self.say("First.")
        self.wait_state("completed")
        self.say("Count.")
        self.wait_text("one")
        proxy.cut()
        gates[0].open()
        self.wait_text("one two")
        proxy.away = True
        proxy.cut()
        note = "return document.getElementById('note').innerText"
        wait_for(lambda: "No connection" in self.browser.run(note), "the page to say so", PATIENCE)
        gates[1].open()
        self.server.wait_idle(self.session)
        proxy.away = False
        self.wait_state("completed")
        self.assertEqual(self.texts()[2:], [("user", "Count."), ("assistant", "one two three")])
        wait_for(lambda: self.browser.run(note) == "", "the page to be content", PATIENCE)

    def test_a_long_conversation_is_read_from_its_end(self):
        for i in range(60):
            self.server.chat(f"number {i}", self.session, model="openai/long")
        self.open()
        self.wait_messages(lambda shown: len(shown) == 100, "the newest messages")
        self.assertEqual(self.messages()[0]["text"], "number 10")
        at_end = "const s = document.getElementById('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight < 2;"
        wait_for(lambda: self.browser.run(at_end), "the end of the conversation")
        self.press("Show earlier messages")
        self.wait_messages(lambda shown: len(shown) == 120, "all messages")
        self.assertEqual([m["text"] for m in self.messages()[::2]], [f"number {i}" for i in range(60)])
        self.assertFalse(self.browser.run("return document.getElementById('earlier').checkVisibility()"))
        self.say("one more")
        self.wait_messages(lambda shown: len(shown) == 122 and shown[-1]["state"] == "completed", "the next answer")
        wait_for(lambda: self.browser.run(at_end), "the new end of the conversation")
        self.assertFalse(self.browser.run("return document.getElementById('earlier').checkVisibility()"))

    def test_the_text_of_a_model_is_text(self):
        evil = "<img src=x onerror=\"document.title='x'\"> <script>document.title='x'</script> [a](javascript:alert(1))"
        self.script(Answer(evil, "\n\n```html\n<b>x</b>\n```\n\n- *a*\n- `b`"))
        self.open()
        self.say("<b>evil</b>")
        self.wait_state("completed")
        self.assertEqual(self.messages()[0]["text"], "<b>evil</b>")
        self.assertIn(evil, self.messages()[1]["text"])
        self.assertEqual(self.browser.run("return document.querySelectorAll('#log :is(img, script, b, a)').length"), 0)
        self.assertEqual(self.browser.run("return document.querySelector('#log pre').textContent"), "<b>x</b>")
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('#log li')].map((li) => li.innerText)"), ["a", "b"])
        refused = [line for line in self.browser.console() if "Content Security Policy" in line or "Content-Security" in line]
        self.assertEqual(refused, [])

    def test_the_list_of_sessions_and_deleting(self):
        self.script(Answer("Hello"))
        for name in ("one", "two"):
            self.server.chat(f"The first words of {name}", f"{self.session}-{name}")
        self.open("")
        listed = "return [...document.querySelectorAll('#sessions a span:first-child')].map((span) => span.innerText)"
        wait_for(lambda: "The first words of two" in self.browser.run(listed), "the list of sessions")
        self.assertLess(*(self.browser.run(listed).index(f"The first words of {name}") for name in ("two", "one")))
        self.browser.click(f"#sessions a[href='#{self.session}-one']")
        self.wait_text("Hello")
        self.assertEqual(self.messages()[0]["text"], "The first words of one")
        self.browser.click("#remove")  # the question is answered with yes
        wait_for(lambda: "The first words of one" not in self.browser.run(listed), "the session to be gone")
        self.assertEqual(self.server.history(f"{self.session}-one"), [])
        self.assertEqual(self.messages(), [])

    def test_keyboard_and_names_for_those_who_do_not_see(self):
        self.script(Answer("Hello"))
        self.open()
        self.assertEqual(self.browser.run("return document.activeElement.id"), "text")
        self.browser.type("#text", "two" + SHIFT + ENTER + RELEASE + "lines" + ENTER)
        self.wait_state("completed")
        self.assertEqual(self.messages()[0]["text"], "two\nlines")
        nameless = """return [...document.querySelectorAll('button, textarea, input, nav, [role=log], a')].filter((node) =>
            !(node.innerText?.trim() || node.ariaLabel || node.labels?.length)).map((node) => node.outerHTML);"""
        self.assertEqual(self.browser.run(nameless), [])
        self.assertEqual(self.browser.run("return document.querySelector('[role=log]').ariaLive"), "polite")
        wait_for(lambda: self.browser.run("return document.getElementById('news').textContent") == "The answer is complete.", "the news")

    def test_a_phone(self):
        self.script(Answer("A long word: " + "x" * 200 + "\n\n```\n" + "y" * 200 + "\n```"))
        self.addCleanup(self.browser.resize, 1180, 820)
        self.browser.resize(360, 640, 2, True)
        self.open()
        self.say("Narrow.")
        self.wait_state("completed")
        self.assertEqual(self.browser.run("return document.documentElement.scrollWidth <= innerWidth"), True)
        self.assertEqual(self.browser.run("return document.getElementById('side').checkVisibility({visibilityProperty: true})"), False)
        self.browser.click("#menu")
        self.assertEqual(self.browser.run("return document.getElementById('menu').ariaExpanded"), "true")
        wait_for(lambda: self.browser.run("return document.getElementById('side').getBoundingClientRect().left === 0"), "the menu")


class PageTokenTest(BrowserCase):
    config = {"api_token": TOKEN}

    def test_it_asks_for_the_token_and_keeps_it_for_the_tab(self):
        self.upstream.script("default", Answer("Hello"))
        self.open()
        is_open = "return document.getElementById('ask').open"
        for given, answer in (("wrong", "does not take"), (TOKEN, "")):
            wait_for(lambda: self.browser.run(is_open), "the question for a token")
            self.browser.type("#token", given + ENTER)
            if answer:
                told = "return document.getElementById('ask-why').innerText"
                wait_for(lambda: answer in self.browser.run(told), "the refusal of a wrong token")
        wait_for(lambda: not self.browser.run(is_open), "the end of the question")
        self.say("With a token.")
        self.wait_state("completed")
        self.browser.reload()
        self.wait_state("completed")
        self.assertFalse(self.browser.run(is_open))
        self.assertEqual(self.server.get("/sessions").status, 401)


class PageRestartTest(BrowserCase):
    server_per_test = True

    def setUp(self):
        super().setUp()
        self.server = self.running()
        self.address = self.server.url.removeprefix("http://")

    def restart(self):
        self.server = self.running(listen=self.address)

    def test_an_answer_that_the_server_lost_in_the_middle_is_shown_so_and_goes_on(self):
        gate = Gate()
        self.upstream.script("default", Answer("One ", "two ", gate, "never"), Answer("three"))
        self.open()
        self.say("Count.")
        self.wait_text("One two")
        turn = self.server.page(self.session).json["running"]
        wait_for(lambda: self.server.turn(self.session, turn).json["message"] == "One two ", "the text in the turn")
        self.server.kill()
        self.restart()
        shown = self.wait_state("interrupted")
        self.assertIn("Interrupted", shown[-1]["foot"])
        self.assertTrue("One two".startswith(shown[-1]["text"]), shown)
        self.press("Continue" if shown[-1]["text"] else "Try again")
        self.wait_state("completed")
        self.assertEqual([role for role, _ in self.texts()], ["user", "assistant"])
        self.assertTrue(self.texts()[1][1].endswith("three"))
        self.assertEqual(len(self.server.history(self.session)), 2)

    def test_a_message_to_a_server_that_is_away_survives_a_reload(self):
        self.upstream.script("default", Answer("Hello"))
        self.open()
        self.server.stop()
        self.say("Are you there?")
        self.wait_messages(lambda shown: shown and "No connection" in shown[-1]["foot"], "a message that is kept")
        self.restart()
        self.browser.reload()
        self.wait_state("completed")
        self.assertEqual(self.texts(), [("user", "Are you there?"), ("assistant", "Hello")])
        self.assertEqual(len(self.upstream.asked("default")), 1)


if __name__ == "__main__":
    unittest.main()
