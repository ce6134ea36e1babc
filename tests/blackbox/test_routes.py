"""Routes: what may be configured, and where a route's name may stand."""

import unittest

from failures_case import ANSWER, FailuresCase, Turn, toml
from harness import run

TARGETS = ["openai/one", "anthropic/two"]


class RouteConfigurationTest(FailuresCase):
    @classmethod
    def setUpRoutes(cls):
        cls.route("any", ("openai", "good"))

    def check(self, *routes, **more):
        file = self.folder / "routes.toml"
        file.write_text(toml({"routes": list(routes)} | more))
        env = {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x"}
        code, output, errors = run("check-config", "--config", file, env=env, cwd=self.folder)
        return code, output + errors

    def assert_refused(self, part, *routes, **more):
        code, output = self.check(*routes, **more)
        self.assertNotEqual(code, 0, output)
        self.assertIn(part, output)

    def test_what_is_right(self):
        for more in ({}, {"hedge": "off"}, {"hedge": "800ms"}, {"hedge": "p95"}, {"hedge": "2s"}):
            with self.subTest(more):
                code, output = self.check({"name": "smart", "targets": TARGETS} | more)
                self.assertEqual(code, 0, output)

    def test_what_is_wrong(self):
        self.assert_refused("nobody", {"name": "smart", "targets": ["nobody/x"]})
        self.assert_refused("targets", {"name": "smart", "targets": []})
        self.assert_refused("targets", {"name": "smart"})
        self.assert_refused("name", {"targets": TARGETS})
        self.assert_refused("openai", {"name": "openai", "targets": TARGETS})
        self.assert_refused("smart", {"name": "smart", "targets": TARGETS}, {"name": "smart", "targets": TARGETS})
        for hedge in ("soon", "-5ms", "p", "800"):
            self.assert_refused("hedge", {"name": "smart", "targets": TARGETS, "hedge": hedge})
        for section, key, value in (
            ("retry", "attempts", 0),
            ("retry", "budget", -1),
            ("breaker", "failures", -1),
            ("retry", "tries", 3),
        ):
            self.assert_refused(key, **{section: {key: value}})


class RouteNameTest(FailuresCase):
    @classmethod
    def setUpRoutes(cls):
        cls.target = cls.route("smart", ("openai", "good"))[0]
        cls.other = cls.route("other", ("anthropic", "good"))[0]

    def test_it_stays_the_sessions_until_another_is_named(self):
        for fields, model in (({"model": "smart"}, self.target), ({}, self.target), ({"model": "other"}, self.other)):
            turn = Turn.asked(self.server, "x", False, "stays", **fields)
            self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)
            self.assertEqual(turn.body["model"], model)

    def test_it_may_be_the_default(self):
        server = self.running(config=self.whole_config, model="smart", database=self.folder / "default.db")
        self.assertEqual(server.chat("x").json["model"], self.target)

    def test_targets_can_be_named_alone_too(self):
        self.assertEqual(Turn.asked(self.server, "x", False, model=self.other).body["model"], self.other)


if __name__ == "__main__":
    unittest.main()
