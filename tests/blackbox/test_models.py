"""Which model is asked, with what: routing, what a session keeps, parameters, both dialects' requests."""

import unittest

from harness import KEY, ServerCase


class ModelsTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.config = {"system": "You are the configured one.", "max_tokens": 321}
        super().setUpClass()

    @classmethod
    def start(cls, *arguments, **options):
        local = {"name": "local", "kind": "openai-chat", "base_url": cls.upstream.url + "/v1"}
        newer = {
            "name": "newer",
            "kind": "anthropic-messages",
            "base_url": cls.upstream.url,
            "api_key": "env:NEWER_KEY",
            "api_version": "2026-10-21",
        }
        cls.config = cls.config | {"providers": [local, newer]}
        cls.env = {"NEWER_KEY": KEY + "-newer"}
        return super().start(*arguments, **options)

    def ask(self, model, message="x", session=None, **fields):
        """One turn; what the upstream was sent for it."""
        answer = self.assert_answer(self.server.chat(message, session, model=model, **fields))
        self.assertEqual(answer["model"], model)
        return self.upstream.asked(model.split("/", 1)[1])[-1]

    def test_the_id_is_passed_on_unchanged_after_the_first_slash(self):
        for name in ("gpt-4", "a/b:c@1.5", "deep/er/still", "models/gemini-2.0", "ünïcode", "with space", "%2F"):
            for provider in ("openai", "anthropic", "local"):
                with self.subTest(provider=provider, name=name):
                    self.assertEqual(self.ask(f"{provider}/{name}").model, name)

    def test_each_provider_gets_its_own_path_and_key(self):
        request = self.ask("openai/route-o")
        self.assertEqual((request.path, request.headers["authorization"]), ("/v1/chat/completions", "Bearer " + KEY))
        request = self.ask("anthropic/route-a")
        self.assertEqual((request.path, request.headers["x-api-key"]), ("/v1/messages", KEY))
        self.assertEqual(request.headers["anthropic-version"], "2023-06-01")
        self.assertNotIn("authorization", request.headers)
        request = self.ask("newer/route-n")
        self.assertEqual(request.headers["authorization"], f"Bearer {KEY}-newer")
        self.assertEqual(request.headers["anthropic-version"], "2026-10-21")
        self.assertNotIn("x-api-key", request.headers)
        self.assertNotIn("authorization", self.ask("local/route-l").headers)

    def test_an_id_without_a_slash_goes_to_the_default_provider(self):
        answer = self.assert_answer(self.server.chat("x", model="no-slash"))
        self.assertEqual(
            (answer["model"], self.upstream.asked("no-slash")[-1].path), ("openai/no-slash", "/v1/chat/completions")
        )

    def test_an_unknown_prefix_lists_the_providers(self):
        self.assert_error(
            self.server.chat("x", model="nosuch/thing"),
            400,
            "invalid_request",
            "nosuch",
            "openai",
            "anthropic",
            "local",
            "newer",
        )

    def test_a_model_without_an_id_is_refused(self):
        for model in ("openai/", "/", ""):
            with self.subTest(model):
                self.assert_error(self.server.chat("x", model=model), 400, "invalid_request", "model")

    def test_the_model_stays_the_sessions_until_sent_again(self):
        self.server.chat("x", "sticky-model", model="anthropic/first")
        self.assertEqual(self.server.chat("x", "sticky-model").json["model"], "anthropic/first")
        self.server.chat("x", "sticky-model", model="openai/second")
        self.assertEqual(self.server.chat("x", "sticky-model").json["model"], "openai/second")
        self.assertEqual(self.server.chat("x", "another").json["model"], "openai/default")

    def test_the_system_text_stays_the_sessions_until_sent_again(self):
        self.assertEqual(self.ask("openai/system", "a", "sticky").system, "You are the configured one.")
        self.assertEqual(self.ask("openai/system", "b", "sticky", system="Be brief.").system, "Be brief.")
        self.assertEqual(self.ask("anthropic/system", "c", "sticky").system, "Be brief.")
        self.assertEqual(self.ask("openai/system", "d", "sticky", system="Be long.").system, "Be long.")
        self.assertEqual(self.ask("openai/system", "e").system, "You are the configured one.")

    def test_parameters_reach_openai_in_its_words(self):
        body = self.ask("openai/parameters", max_tokens=77, temperature=0.5, stop=["END", "X"]).body
        self.assertEqual((body["temperature"], body["stop"]), (0.5, ["END", "X"]))
        limits = [body[k] for k in ("max_completion_tokens", "max_tokens") if k in body]
        self.assertEqual(limits, [77], "one name for the limit, not both")
        self.assertEqual((body["stream"], body["stream_options"]["include_usage"]), (True, True))

    def test_compatible_servers_get_the_older_name_of_the_limit(self):
        body = self.ask("local/limit", max_tokens=77).body
        self.assertEqual((body.get("max_tokens"), body.get("max_completion_tokens")), (77, None))

    def test_parameters_reach_anthropic_in_its_words(self):
        body = self.ask("anthropic/parameters", max_tokens=77, temperature=0.5, stop=["END"]).body
        self.assertEqual((body["max_tokens"], body["temperature"], body["stop_sequences"]), (77, 0.5, ["END"]))
        self.assertIs(body["stream"], True)

    def test_a_single_stop_text_may_be_a_string(self):
        self.assertIn(self.ask("openai/stop", stop="END").body["stop"], (["END"], "END"))

    def test_the_configured_limit_of_tokens_is_the_default(self):
        self.assertEqual(self.ask("anthropic/limit-default").body["max_tokens"], 321)

    def test_a_parameter_that_the_models_api_no_longer_takes_is_left_out_and_named(self):
        answer = self.assert_answer(self.server.chat("x", model="newer/ignoring", temperature=0.5))
        self.assertEqual(answer["ignored"], ["temperature"])
        self.assertNotIn("temperature", self.upstream.asked("ignoring")[-1].body)
        answer = self.assert_answer(self.server.chat("x", model="anthropic/not-ignoring", temperature=0.5))
        self.assertFalse(answer.get("ignored"))

    def test_metadata_and_session_ids_are_not_sent_to_the_provider(self):
        request = self.ask("openai/private", session="private-session-id", metadata={"k": "private-value"})
        self.assertNotIn("private-", str(request.body) + str(request.headers))

    def test_a_session_may_change_its_provider(self):
        self.ask("openai/change-o", "one", "changing")
        sent = self.ask("anthropic/change-a", "two", "changing").messages
        self.assertEqual(sent, [("user", "one"), ("assistant", "[1] one"), ("user", "two")])


class AsAskedTest(ServerCase):
    """`stream = "as_asked"` passes the client's choice on."""

    @classmethod
    def start(cls, *arguments, **options):
        cls.config = {
            "providers": [
                {
                    "name": "openai",
                    "kind": "openai-chat",
                    "base_url": cls.upstream.url + "/v1",
                    "api_key": "env:OPENAI_API_KEY",
                    "stream": "as_asked",
                }
            ]
        }
        return super().start(*arguments, **options)

    def test_the_clients_choice_is_passed_on(self):
        self.assert_answer(self.server.chat("x", model="openai/whole"), "[1] x")
        self.assertFalse(self.upstream.asked("whole")[-1].body.get("stream"))
        self.assertEqual(self.server.stream("x", model="openai/streamed").finish().json["message"], "[1] x")
        self.assertTrue(self.upstream.asked("streamed")[-1].body["stream"])


class OnlyProviderTest(ServerCase):
    """One configured provider and no default model's prefix in the way."""

    @classmethod
    def start(cls, *arguments, **options):
        cls.config = {"providers": [{"name": "mine", "kind": "openai-chat", "base_url": cls.upstream.url + "/v1"}]}
        cls.env = {"OPENAI_API_KEY": None, "ANTHROPIC_API_KEY": None}
        return super().start(*arguments, model="mine/base", **options)

    def test_ids_without_a_known_prefix_go_to_it(self):
        self.assertEqual(self.server.chat("x", model="plain").json["model"], "mine/plain")
        self.assertEqual(self.server.chat("x").json["model"], "mine/base")


if __name__ == "__main__":
    unittest.main()
