"""Providers' keys that AWS keeps: fetched at first need, by a server as well as by a Lambda function."""

import json
import threading

from answers import Answer
from fake_aws import FakeAws
from harness import ServerCase, run
from server import wait_for

SECRET_KEY = "sk-kept-by-aws-0123456789"


class ProviderKeysTest(ServerCase):
    store = "memory"
    server_per_test = True

    def setUp(self):
        self.aws = FakeAws()
        self.addCleanup(self.aws.close)

    def server(self, config=None, **env):
        own = {"OPENAI_API_KEY": None, "ANTHROPIC_API_KEY": None} | self.aws.env | env
        return self.running(env=own, config=config or {}, model="anthropic/m")

    def fetches(self):
        return [service for service, _ in self.aws.asked]

    def sent_key(self, model="m"):
        return self.upstream.asked(model)[-1].headers.get("x-api-key")

    def test_a_secret_is_fetched_once_whoever_asks(self):
        self.aws.secrets["prod/key"] = SECRET_KEY
        server = self.server(ANTHROPIC_API_KEY_SECRET="prod/key", TERTULIA_WORKERS="4")
        self.assertEqual(self.fetches(), [], "not before it is needed")
        threads = [threading.Thread(target=server.chat, args=(f"Hello {i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(server.chat("Hello").status, 200)
        self.assertEqual(self.sent_key(), SECRET_KEY)
        self.assertEqual(self.fetches(), ["secretsmanager"])
        self.assertEqual(self.aws.problems, [])

    def test_a_secret_may_be_json_and_a_parameter_too(self):
        self.aws.secrets["all"] = json.dumps({"OPENAI_API_KEY": "sk-other", "ANTHROPIC_API_KEY": SECRET_KEY})
        server = self.server(ANTHROPIC_API_KEY_SECRET="all", OPENAI_API_KEY_SECRET="all")
        self.assertEqual(server.chat("Hello").status, 200)
        self.assertEqual(self.sent_key(), SECRET_KEY)
        self.assertEqual(server.chat("Hello", model="openai/o").status, 200)
        self.assertEqual(self.upstream.asked("o")[-1].headers.get("authorization"), "Bearer sk-other")

        self.aws.parameters["/prod/key"] = "sk-parameter"
        server = self.server(ANTHROPIC_API_KEY_PARAMETER="/prod/key")
        self.assertEqual(server.chat("Hello").status, 200)
        self.assertEqual(self.sent_key(), "sk-parameter")
        self.assertEqual(self.fetches()[-1], "ssm")
        self.assertEqual(self.aws.problems, [])

    def test_in_the_configuration_file(self):
        self.aws.secrets["work"] = SECRET_KEY
        entry = {"name": "work", "kind": "anthropic-messages", "base_url": self.upstream.url, "api_key": "secret:work"}
        server = self.server(config={"providers": [entry]})
        self.assertEqual(server.chat("Hello", model="work/m").status, 200)
        self.assertEqual(self.sent_key(), SECRET_KEY)

    def test_an_unreadable_secret_is_that_turns_error_and_the_next_one_tries_again(self):
        self.aws.secret_status = (400, "AccessDeniedException")
        server = self.server(ANTHROPIC_API_KEY_SECRET="prod/key")
        asked = len(self.upstream.asked("m"))
        refused = server.chat("Hello", session="s")
        self.assertEqual((refused.status, refused.json["code"]), (503, "unavailable"))
        self.assertIn("anthropic", refused.json["message"])
        self.assertNotIn("prod/key", refused.body.decode(), "which secret it is, is the operator's business")
        self.assertEqual(len(self.upstream.asked("m")), asked, "no request without a key")
        wait_for(lambda: "secret:prod/key cannot be read" in server.log_text, "the operator's line")
        self.assertIn("AccessDeniedException", server.log_text)

        self.aws.secret_status = None
        self.aws.secrets["prod/key"] = SECRET_KEY
        self.assertEqual(server.chat("Hello again", session="s").status, 200)
        self.assertEqual(self.sent_key(), SECRET_KEY)

    def test_what_was_fetched_is_shown_nowhere(self):
        self.aws.secrets["prod/key"] = SECRET_KEY
        self.upstream.script("quoting", Answer(status=401, body={"error": {"message": f"invalid key {SECRET_KEY}"}}))
        server = self.server(ANTHROPIC_API_KEY_SECRET="prod/key", TERTULIA_LOG_LEVEL="debug")
        refused = server.chat("Hello", model="anthropic/quoting")
        self.assertEqual(refused.status, 502)
        self.assertNotIn(SECRET_KEY, refused.body.decode())
        self.assertNotIn(SECRET_KEY, server.log_text)

    def test_a_route_passes_over_a_provider_without_its_key(self):
        self.aws.secret_status = (400, "AccessDeniedException")
        routes = {"routes": [{"name": "both", "targets": ["anthropic/m", "openai/o2"]}]}
        server = self.server(config=routes, ANTHROPIC_API_KEY_SECRET="prod/key", OPENAI_API_KEY="sk-plain")
        answer = server.chat("Hello", model="both")
        self.assertEqual((answer.status, answer.json["model"]), (200, "openai/o2"))

    def test_check_config_says_where_it_is(self):
        code, output, _ = run(
            "check-config", env={"ANTHROPIC_API_KEY_SECRET": "prod/key", "ANTHROPIC_API_KEY": None}, cwd=self.folder
        )
        self.assertEqual(code, 0)
        self.assertIn('providers.anthropic.api_key = "secret:prod/key"  # environment ANTHROPIC_API_KEY_SECRET', output)
