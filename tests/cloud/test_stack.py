"""The stack of deploy/cdk: its own tests, its types, and its templates through cfn-lint, which knows what CloudFormation takes."""

import glob
import pathlib
import subprocess
import tempfile
import unittest

import tools


def run(*command):
    done = subprocess.run(list(map(str, command)), cwd=tools.CDK, env=tools.environment(), capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout[-20000:]}\n{done.stderr[-5000:]}")
    return done.stdout + done.stderr


class StackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.venv = tools.venv()

    def test_its_tests(self):
        tests = sorted(glob.glob("test/*.test.ts", root_dir=tools.CDK))
        self.assertGreaterEqual(len(tests), 4)
        self.assertRegex(run("node", "--import", "tsx", "--test", *tests), r"(?m)^. pass \d\d")

    def test_its_types(self):
        run("node", "node_modules/typescript/bin/tsc", "--noEmit")

    def test_its_templates(self):
        variants = ((), ("restStreaming=false", "architecture=x86_64", "functionUrlAuth=NONE", "webSocketAuth=NONE"),
                    ("models=anthropic/a,openai/b", "anthropicSecret=a", "openaiParameter=/b", "alarmEmail=ops@example.org"))
        for variant in variants:
            with self.subTest(variant), tempfile.TemporaryDirectory() as folder:
                run(*tools.cdk("synth", "--quiet", "-c", "placeholder=true", "--output", folder, *(part for one in variant for part in ("-c", one))))
                # W3005: a dependency that CDK writes though a reference says it already.
                run(self.venv / "bin" / "cfn-lint", "--ignore-checks", "W3005", "--", pathlib.Path(folder) / "Tertulia.template.json")

    def test_a_wrong_switch_is_said_in_one_line(self):
        done = subprocess.run(tools.cdk("synth", "--quiet", "-c", "architecture=riscv"), cwd=tools.CDK, env=tools.environment(), capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("deploy/cdk: architecture: arm64 or x86_64, not 'riscv'", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main()
