"""A headless Chromium, driven by its own chromedriver over W3C WebDriver: plain HTTP with JSON, so nothing is installed
but the two Debian packages."""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no Chromium here (packages chromium and chromium-driver): the browser tests are left out"
SECONDS = 60


class Browser:
    """One browser with one window, until close(). Every call waits for the browser's answer."""

    def __init__(self, width=1180, height=820):
        # Its own process group: the browser and its helpers go with it, whatever the tests come to.
        self.process = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        line = next(line for line in self.process.stdout if "started successfully on port" in line)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(re.search(r"on port (\d+)", line)[1]), timeout=SECONDS)
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox does not work for root
        options = {"binary": CHROMIUM, "args": arguments}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "accept"}
        self.session = ""
        self.session = "/session/" + self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.resize(width, height)

    def close(self):
        with contextlib.suppress(OSError, http.client.HTTPException, WebDriverError):
            self.ask("DELETE", "")
        self.connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def ask(self, method, path, body=None):
        data = json.dumps(body or {}) if method == "POST" else None
        self.connection.request(method, self.session + path, data, {"content-type": "application/json"})
        value = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(value, dict) and value.get("error"):
            raise WebDriverError(f"{value['error']}: {value['message']}")
        return value

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def reload(self):
        self.ask("POST", "/refresh")

    def run(self, script, *arguments):
        """The value that the function body `script` returns in the page (a promise is awaited)."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def find(self, selector):
        element = self.ask("POST", "/element", {"using": "css selector", "value": selector})
        return "/element/" + next(iter(element.values()))

    def click(self, selector):
        self.ask("POST", self.find(selector) + "/click")

    def type(self, selector, text):
        """As on a keyboard; "\\ue007" is Enter, "\\ue008" Shift, "\\ue00c" Escape."""
        self.ask("POST", self.find(selector) + "/value", {"text": text})

    def window(self):
        return self.ask("GET", "/window")

    def new_window(self):
        handle = self.ask("POST", "/window/new", {"type": "window"})["handle"]
        self.switch(handle)
        return handle

    def switch(self, handle):
        self.ask("POST", "/window", {"handle": handle})

    def devtools(self, command, **parameters):
        """One command of the DevTools protocol, for what WebDriver has no word for."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width, height, scale=1, mobile=False):
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    def prefer(self, scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def offline(self, offline):
        conditions = {"offline": offline, "latency": 0, "throughput": -1}
        self.ask("POST", "/chromium/network_conditions", {"network_conditions": conditions})

    def screenshot(self):
        """PNG bytes of what the window shows."""
        return base64.b64decode(self.ask("GET", "/screenshot"))

    def console(self):
        """What the pages have logged since the last call."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]


class WebDriverError(Exception):
    pass
