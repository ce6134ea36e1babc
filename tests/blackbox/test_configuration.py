"""The command line and the configuration: what goes before what, what is refused, what only earns a warning."""

import json
import pathlib
import unittest

from answers import Answer
from harness import KEY, ROOT, Refused, ServerCase, run


class CommandLineTest(unittest.TestCase):
    def test_version(self):
        code, output, _ = run("--version")
        self.assertEqual(code, 0)
        self.assertIn((ROOT / "VERSION").read_text().strip(), output)

    def test_help_names_the_commands_and_their_options(self):
        code, output, _ = run("--help")
        self.assertEqual(code, 0)
        for word in ("serve", "chat", "check-config", "--version"):
            self.assertIn(word, output)
        code, output, _ = run("serve", "--help")
        self.assertEqual(code, 0)
        for option in ("--config", "--listen", "--store", "--model", "--workers", "--log-level", "--insecure"):
            self.assertIn(option, output)

    def test_wrong_command_lines_are_refused(self):
        for arguments in (
            ("nonsense",),
            ("serve", "--nonsense"),
            ("serve", "--listen"),
            ("serve", "--workers", "many"),
            ("serve", "--workers", "0"),
            ("serve", "--store", "postgres:x"),
            ("serve", "--listen", "nowhere"),
            ("serve", "--log-level", "loud"),
            ("serve", "--config", "/no/such/file.toml"),
        ):
            with self.subTest(arguments):
                code, output, errors = run(*arguments, env={"OPENAI_API_KEY": KEY})
                self.assertGreater(code, 0)
                self.assertIn(arguments[-1].lstrip("-"), output + errors)

    def test_without_any_provider_it_says_what_to_do(self):
        code, output, errors = run("serve", "--listen", "127.0.0.1:0", "--store", "memory:", cwd="/")
        self.assertGreater(code, 0)
        self.assertIn("OPENAI_API_KEY", output + errors)


class CheckConfigTest(ServerCase):
    server_per_test = True

    def check(self, text, *arguments, env=None, fails=False):
        """`check-config` on a file with this text: what it printed, both ways."""
        file = self.folder / "checked.toml"
        file.write_text(text)
        code, output, errors = run("check-config", "--config", file, *arguments, env=env, cwd=self.folder)
        self.assertEqual(code != 0, fails, output + errors)
        return output + errors

    def line(self, output, key):
        lines = [
            line for line in output.splitlines() if line.split("=")[0].strip() == key or line.startswith(key + " ")
        ]
        self.assertTrue(lines, f"{key} in:\n{output}")
        return lines[0]

    def test_every_value_comes_with_its_source(self):
        output = self.check(
            'max_tokens = 111\nsystem = "from the file"\n',
            env={"TERTULIA_SYSTEM": "from outside", "OPENAI_API_KEY": KEY},
        )
        self.assertIn("file", self.line(output, "max_tokens"))
        self.assertIn("TERTULIA_SYSTEM", self.line(output, "system"))
        self.assertIn("from outside", self.line(output, "system"))
        self.assertIn("default", self.line(output, "limits.body_bytes"))
        self.assertIn("1048576", self.line(output, "limits.body_bytes"))

    def test_no_secret_is_shown(self):
        output = self.check('api_token = "env:MY_TOKEN"\n', env={"OPENAI_API_KEY": KEY, "MY_TOKEN": "token-of-mine"})
        self.assertNotIn(KEY, output)
        self.assertNotIn("token-of-mine", output)

    def test_an_unknown_key_is_refused_with_the_nearest_known_name(self):
        for text, wrong, right in (
            ('lissten = "127.0.0.1:0"', "lissten", "listen"),
            ("max_token = 5", "max_token", "max_tokens"),
            ("[deadlines]\nfirst_tokn_ms = 5", "first_tokn_ms", "first_token_ms"),
            ("[limits]\nbody_byte = 5", "body_byte", "body_bytes"),
            ("[deadline]\nturn_ms = 5", "deadline", "deadlines"),
            ('[[providers]]\nname = "x"\nkind = "openai-chat"\nbase_ulr = "http://x"', "base_ulr", "base_url"),
        ):
            with self.subTest(wrong):
                output = self.check(text, env={"OPENAI_API_KEY": KEY}, fails=True)
                self.assertIn(wrong, output)
                self.assertRegex(output, rf"\b{right}\b")

    def test_wrong_values_are_refused_by_key(self):
        for text, key in (
            ("listen = 7", "listen"),
            ('max_tokens = "many"', "max_tokens"),
            ("max_tokens = -1", "max_tokens"),
            ("[deadlines]\nturn_ms = 0", "turn_ms"),
            ('store = "mysql:x"', "store"),
            ("system = [", "checked.toml"),
            ('[[providers]]\nname = "x"\nkind = "openai-chatter"', "kind"),
            ('[[providers]]\nkind = "openai-chat"', "name"),
            ('[[providers]]\nname = "x/y"\nkind = "openai-chat"', "name"),
            ('api_token = "file:/no/such/file"', "/no/such/file"),
        ):
            with self.subTest(text):
                self.assertIn(key, self.check(text, env={"OPENAI_API_KEY": KEY}, fails=True))

    def test_a_wrong_value_in_the_environment_is_refused_by_its_name(self):
        for name, value in (
            ("TERTULIA_MAX_TOKENS", "many"),
            ("TERTULIA_DEADLINES_TURN_MS", "-5"),
            ("TERTULIA_LISTEN", "nowhere"),
        ):
            with self.subTest(name):
                self.assertIn(name, self.check("", env={name: value, "OPENAI_API_KEY": KEY}, fails=True))

    def test_an_unknown_variable_only_earns_a_warning(self):
        output = self.check("", env={"TERTULIA_MAX_TOKEN": "5", "OPENAI_API_KEY": KEY})
        self.assertIn("TERTULIA_MAX_TOKEN", output)

    def test_a_bare_key_in_the_file_earns_a_warning_that_does_not_show_it(self):
        provider = (
            '[[providers]]\nname = "mine"\nkind = "openai-chat"\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "%s"\n'
        )
        output = self.check(provider % "sk-bare-in-the-file")
        self.assertNotIn("sk-bare-in-the-file", output)
        self.assertRegex(output.lower(), r"warning.*api_key|api_key.*env:")
        self.assertNotRegex(self.check(provider % "env:MINE", env={"MINE": "x"}).lower(), r"warning.*api_key")


class PrecedenceTest(ServerCase):
    server_per_test = True
    store = "memory"

    def model_used(self, server):
        return server.chat("x").json["model"]

    def test_command_line_before_environment_before_file_before_default(self):
        config = {"model": "openai/of-the-file"}
        env = {"TERTULIA_MODEL": "openai/of-the-environment"}
        self.assertEqual(
            self.model_used(self.running(model="openai/of-the-line", config=config, env=env)), "openai/of-the-line"
        )
        bare = {"model": None}  # no --model
        self.assertEqual(self.model_used(self.running(**bare, config=config, env=env)), "openai/of-the-environment")
        self.assertEqual(self.model_used(self.running(**bare, config=config)), "openai/of-the-file")
        self.assertTrue(
            self.model_used(self.running(**bare)).startswith("anthropic/"), "Anthropic where both have a key"
        )
        only = self.running(**bare, env={"ANTHROPIC_API_KEY": None})
        self.assertTrue(self.model_used(only).startswith("openai/"))

    def test_keys_of_tables_are_read_from_the_environment(self):
        server = self.running(config={"limits": {"body_bytes": 5000}}, env={"TERTULIA_LIMITS_BODY_BYTES": "100"})
        self.assertEqual(server.chat("x" * 200).status, 413)
        server = self.running(config={"limits": {"body_bytes": 100}})
        self.assertEqual(server.chat("x" * 200).status, 413)

    def test_a_key_comes_from_a_file_or_a_variable(self):
        (self.folder / "key.txt").write_text("key-of-the-file\n")
        providers = [
            {
                "name": "filed",
                "kind": "openai-chat",
                "base_url": self.upstream.url + "/v1",
                "api_key": f"file:{self.folder / 'key.txt'}",
            },
            {"name": "named", "kind": "openai-chat", "base_url": self.upstream.url + "/v1", "api_key": "env:NAMED_KEY"},
        ]
        server = self.running(config={"providers": providers}, env={"NAMED_KEY": "key-of-the-variable"})
        self.upstream.script("keyed", Answer("x"))
        for provider, key in (("filed", "key-of-the-file"), ("named", "key-of-the-variable")):
            self.assert_answer(server.chat("x", model=provider + "/keyed"))
            self.assertEqual(self.upstream.asked("keyed")[-1].headers["authorization"], "Bearer " + key)

    def test_an_entry_of_a_built_in_name_replaces_it(self):
        providers = [
            {
                "name": "openai",
                "kind": "anthropic-messages",
                "base_url": self.upstream.url,
                "api_key": "env:OPENAI_API_KEY",
            }
        ]
        self.assert_answer(self.running(config={"providers": providers}).chat("x", model="openai/replaced"))
        self.assertEqual(self.upstream.asked("replaced")[-1].path, "/v1/messages")

    def test_an_unknown_key_stops_the_server_before_it_listens(self):
        with self.assertRaises(Refused) as refused:
            self.start(config={"lissten": "127.0.0.1:0"})
        self.assertIn("listen", refused.exception.output)
        self.assertNotIn("listening on", refused.exception.output)

    def test_unknown_variables_and_bare_keys_warn_in_the_log_and_nothing_more(self):
        providers = [
            {"name": "bare", "kind": "openai-chat", "base_url": self.upstream.url + "/v1", "api_key": "sk-bare-key"}
        ]
        server = self.running(config={"providers": providers}, env={"TERTULIA_LISSTEN": "x"})
        self.assert_answer(server.chat("x", model="bare/x"))
        warnings = [line for line in map(json.loads, list(server.log)) if "warn" in str(line).lower()]
        self.assertTrue(any("TERTULIA_LISSTEN" in str(w) for w in warnings), server.log)
        self.assertTrue(any("api_key" in str(w) for w in warnings), server.log)
        self.assertNotIn("sk-bare-key", server.log_text)

    def test_the_readiness_waits_for_the_local_models_health(self):
        server = self.running(
            model="local/mine",
            env={
                "TERTULIA_LOCAL_MODEL_BASE_URL": self.upstream.url + "/v1",
                "TERTULIA_LOCAL_MODEL_NAME": "mine",
                "TERTULIA_LOCAL_MODEL_HEALTH_URL": self.upstream.url + "/health",
                "OPENAI_API_KEY": None,
                "ANTHROPIC_API_KEY": None,
            },
        )
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.get("/readyz").status, 503)  # our upstream knows no /health: 404


class ConfigurationDocumentTest(unittest.TestCase):
    def test_every_key_of_the_document_is_known_to_the_program(self):
        document = pathlib.Path(ROOT / "docs/configuration.md").read_text()
        _, output, _ = run("check-config", env={"OPENAI_API_KEY": KEY}, cwd="/")
        keys = [line.split("=")[0].split()[0] for line in output.splitlines() if "=" in line]
        self.assertIn("listen", keys)
        for key in keys:
            if not key.startswith(("providers", "models")):
                self.assertIn(key, document)


if __name__ == "__main__":
    unittest.main()
