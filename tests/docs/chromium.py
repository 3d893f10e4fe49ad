"""A headless Chromium, controlled by the DevTools protocol over two pipes: it needs only the browser.

The methods and events are on https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which root can't have; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no page reaches a server; its requests are recorded all the same
    "--window-size=1400,1000",
)
TYPES_WITH_OWN_URL = ("data:", "blob:", "about:")


def program() -> Optional[str]:
    """Return the path of the browser, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """One browser with one page. `folder` is for its profile and pipes."""

    def __init__(self, browser: str, folder: Path) -> None:
        self.requests: list[str] = []
        """The URLs that the page has requested since `open`."""
        self.problems: list[str] = []
        """Scripts and requests of the page that failed since `open`."""
        self._last_id = 0
        self._received = b""
        self._idle = ""  # the last document that has loaded all its resources
        for name in ("commands", "events"):
            os.mkfifo(folder / name)
        # The browser reads commands from descriptor 3 and writes to 4.
        script = 'exec "$@" 3<commands 4>events'
        command = ["sh", "-c", script, "sh", browser, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._commands = os.open(folder / "commands", os.O_WRONLY)
        self._events = os.open(folder / "events", os.O_RDONLY)
        self._session: Optional[str] = None
        self._context: Optional[str] = None
        self.forget()

    def forget(self) -> None:
        """Continue as a first visitor without preferences."""
        self._session = None
        if self._context:
            self.call("Target.disposeBrowserContext", browserContextId=self._context)
        self._context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Page", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.call("Browser.close")
        self._process.wait()
        os.close(self._commands)
        os.close(self._events)

    def open(self, url: str) -> None:
        """Open a page, and wait until it has sent no request for half a second."""
        self.requests.clear()
        self.problems.clear()
        document = self.call("Page.navigate", url=url)["loaderId"]
        while self._idle != document:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; wait for promises."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Evaluate an expression before each frame until it is true; return its value."""
        return self.evaluate(
            f"new Promise(done => {{ const look = () => {{ const value = {expression};"
            " value ? done(value) : requestAnimationFrame(look) }; look() })"
        )

    def type(self, selector: str, text: str) -> None:
        """Type text into an element."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def prefer(self, scheme: str) -> None:
        """Set what the system prefers: light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, **parameters: Any) -> bytes:
        """Give a picture of the page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"])

    def call(self, method: str, **parameters: Any) -> "dict[str, Any]":
        """Call a method of the protocol."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            received = self._receive()
            if received.get("id") == self._last_id:
                assert "error" not in received, f"{method}: {received}"
                result: dict[str, Any] = received["result"]
                return result

    def _receive(self) -> "dict[str, Any]":
        """Read one message, and record the events of the page in it."""
        while b"\0" not in self._received:
            more = os.read(self._events, 1 << 16)
            assert more, "the browser ended"
            self._received += more
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            if not parameters["request"]["url"].startswith(TYPES_WITH_OWN_URL):
                self.requests.append(parameters["request"]["url"])
        elif method == "Network.loadingFailed":
            self.problems.append(parameters["errorText"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        elif method == "Page.lifecycleEvent" and parameters["name"] == "networkIdle":
            self._idle = parameters["loaderId"]
        return message
