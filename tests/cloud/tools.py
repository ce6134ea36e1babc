"""Where the tools are that `./dev test` installs: Node.js, CDK with its packages, cfn-lint, ministack."""

import os
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CDK = ROOT / "deploy" / "cdk"


def venv():
    """The folder of the tools; without them the test is left out, but in CI that is a failure."""
    folder = os.environ.get("TERTULIA_CLOUD_TOOLS")
    if folder and (CDK / "node_modules").is_dir():
        return pathlib.Path(folder)
    if os.environ.get("CI") == "true":
        raise AssertionError("TERTULIA_CLOUD_TOOLS names no tools: ./dev test installs them")
    raise unittest.SkipTest("no cloud tools (TERTULIA_CLOUD_TOOLS): ./dev test installs them")


def environment():
    """Node.js of ours first, and nothing that would make CDK look for an account or talk to its makers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return kept | {"PATH": f"{venv() / 'bin'}:{kept['PATH']}", "CDK_DISABLE_CLI_TELEMETRY": "1", "CDK_DISABLE_VERSION_CHECK": "1", "NO_COLOR": "1"}


def cdk(*arguments):
    return ["node", "node_modules/aws-cdk/bin/cdk", *map(str, arguments)]
