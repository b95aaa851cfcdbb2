"""Sample runs, and a headless Chromium that counts dialogs and requests."""

import copy
import json
import os
import select
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

PATIENCE = 20.0  # seconds for one page
HERE = Path(__file__).parent
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --remote-debugging-pipe
""".split()  # noqa: SIM905


class Elements(HTMLParser):
    """Every tag with its attributes, and the text outside of <style>."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._style = [], [], False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.text.append(data)

    def handle_decl(self, decl):
        assert decl == "doctype html"

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


class Browser:
    """Chromium over its debugging pipe: opens a page, gathers events, evaluates expressions."""

    def __init__(self, binary, profile):
        mine, self._events = [], []
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # The browser reads its commands from descriptor 3 and writes its answers to 4.
        script = f'exec 3<&{to_read} 4>&{to_write}; exec "$@"'
        command = ["bash", "-c", script, "bash", binary, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        mine += [to_read, to_write]
        self._process = subprocess.Popen(command, pass_fds=mine, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for descriptor in mine:
            os.close(descriptor)
        self._number, self._buffer, self._session = 0, b"", None
        self._deadline = time.monotonic() + PATIENCE
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def _receive(self):
        while b"\0" not in self._buffer:
            if time.monotonic() > self._deadline or not select.select([self._from], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser does not come to rest")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise EOFError("the browser ended")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _send(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def call(self, method, **params):
        number = self._send(method, **params)
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            if "method" in message:
                self._events.append(message)
                if message["method"] == "Page.javascriptDialogOpening":
                    self._send("Page.handleJavaScriptDialog", accept=True)

    def open(self, path, width=1000, height=1400):
        """Load the file; (dialogs, addresses asked for beside the page itself)."""
        self._deadline = time.monotonic() + PATIENCE
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._events.clear()
        address = path.as_uri()
        self.call("Page.navigate", url=address)
        for _ in range(200):
            if self.value("document.readyState + location.href.startsWith('file:')") == "completetrue":
                break
            time.sleep(0.02)
        time.sleep(0.4)
        self.value("1")  # gathers what came meanwhile
        dialogs = [e for e in self._events if e["method"] == "Page.javascriptDialogOpening"]
        asked = [e["params"]["request"]["url"] for e in self._events if e["method"] == "Network.requestWillBeSent"]
        return dialogs, [url for url in asked if url != address]

    def value(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def wait_for(self, expression):
        """Return once it is true."""
        self._deadline = time.monotonic() + 3 * PATIENCE
        while not self.value(expression):
            time.sleep(0.1)

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)


@pytest.fixture(scope="session")
def samples():
    return {name: json.loads((HERE / f"{name}.json").read_text()) for name in ("breast_cancer", "diabetes")}


@pytest.fixture
def data(samples):
    """A classification run of 24 recipes and 5 folds, to be changed at will."""
    return copy.deepcopy(samples["breast_cancer"])


@pytest.fixture
def elements():
    return Elements


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        pytest.skip("no Chromium on this machine: install the package `chromium` to run this test")
    found = Browser(binary, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()
