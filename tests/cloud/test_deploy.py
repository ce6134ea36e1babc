"""What `./dev deploy` builds and what it hands to CDK: the program for the architecture that the stack asks for, or nothing. `./dev synth`
makes its template without a program, and offline."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import tools

sys.path.insert(0, str(tools.ROOT / "tests" / "blackbox"))


# Runs a command where there is no network, not even a loopback.
OFFLINE = ("unshare", "--net")

# The commands of tools/dev in a project of the test's own, where they install and build nothing.
PRELUDE = "set -euo pipefail; . tools/dev/common.sh; . tools/dev/deploy.sh; . tools/dev/synth.sh; need() { :; }; cloud_tools() { :; }; "


def can_be_offline():
    return not subprocess.run([*OFFLINE, "true"], capture_output=True).returncode


class Project:
    """A root with deploy/cdk and tools, without a build of the program; its `dev` only says what it was asked for."""

    def __init__(self, folder, context):
        self.root = pathlib.Path(folder)
        shutil.copytree(tools.ROOT / "deploy", self.root / "deploy", ignore=shutil.ignore_patterns("node_modules", "cdk.out"))
        (self.root / "tools").symlink_to(tools.ROOT / "tools")
        (self.root / "dev").write_text('echo "./dev $*"\n')
        settings = self.root / "deploy" / "cdk" / "cdk.json"
        written = json.loads(settings.read_text())
        written["context"].update(context)
        settings.write_text(json.dumps(written))

    def run(self, script, *arguments, environment=None, before=()):
        return subprocess.run([*before, "bash", "-c", PRELUDE + script, "bash", *arguments], cwd=self.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


class DeployTest(unittest.TestCase):
    def project(self, **context):
        folder = tempfile.TemporaryDirectory(prefix="tertulia-deploy-")
        self.addCleanup(folder.cleanup)
        return Project(folder.name, context)

    def project_with_tools(self, **context):
        self.tools_at = f"cloud_venv={tools.venv()}; "
        project = self.project(**context)
        (project.root / "deploy" / "cdk" / "node_modules").symlink_to(tools.CDK / "node_modules")
        return project

    def test_it_builds_for_the_architecture_of_the_context(self):
        for in_file, options, wanted in (
            ({}, (), "arm64"),
            ({}, ("-c", "architecture=x86_64"), "x86_64"),
            ({}, ("--context=architecture=x86_64", "--require-approval", "never"), "x86_64"),
            ({"architecture": "x86_64"}, (), "x86_64"),
            ({"architecture": "x86_64"}, ("--context", "architecture=arm64"), "arm64"),
            ({}, ("-c", "architecture=x86_64", "-c", "architecture=arm64"), "arm64"),
            ({"architecture": "x86_64"}, ("--tags", "architecture=arm64"), "x86_64"),
        ):
            with self.subTest(in_file=in_file, options=options):
                done = self.project(**in_file).run('cdk() { echo "cdk $*"; }; dev_deploy "$@"', *options)
                given = " ".join(("cdk deploy", *options, "--context", f"architecture={wanted}"))
                self.assertEqual((done.returncode, done.stdout.splitlines()), (0, [f"./dev lambda {wanted}", given]), done.stderr)

    def test_nothing_is_deployed_without_the_program(self):
        project = self.project_with_tools(architecture="x86_64")
        done = project.run(self.tools_at + "dev_deploy", environment=tools.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("deploy/cdk: there is no build/lambda/x86_64/tertulia.zip: ./dev lambda x86_64 makes it", done.stderr)

    # Nothing installs a permission, so this is no failure in CI either.
    @unittest.skipUnless(can_be_offline(), "no permission for a network namespace")
    def test_a_template_is_made_without_the_program_and_without_a_network(self):
        project = self.project_with_tools()
        done = project.run(self.tools_at + "dev_synth", environment=tools.environment(), before=OFFLINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cdk-nag and cfn-lint find nothing", done.stderr)
        self.assertIn("PLACEHOLDER that only fails", done.stderr)


if __name__ == "__main__":
    unittest.main()
