"""Chromium without a window, spoken to in its DevTools protocol over two pipes.

No package and no network: the protocol is JSON ended by a zero byte (--remote-debugging-pipe).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Seconds after which a silent browser is given up.
PATIENCE = 240
#: Puts the pipes where Chromium wants them, and becomes it.
LAUNCHER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    " os.execv(sys.argv[3], sys.argv[3:])"
)


def find_browser() -> str | None:
    """The first Chromium on the path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page in one browser.

    Attributes
    ----------
    events
        (method, parameters) of all that the page reported.
    """

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="partialpool-browser-")
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        # The child wants 3 and 4: ours are moved out of their way first.
        reading = fcntl.fcntl(to_child, fcntl.F_DUPFD, 20)
        writing = fcntl.fcntl(from_child, fcntl.F_DUPFD, 20)
        os.close(to_child)
        os.close(from_child)
        arguments = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={self._profile}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(reading), str(writing), *arguments],
            pass_fds=(reading, writing),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reading)
        os.close(writing)
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser and remove its profile."""
        os.close(self._write)  # a closed pipe ends it
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command; what it answers."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], PATIENCE)[0]:
                raise RuntimeError(f"the browser did not answer within {PATIENCE} s")
            more = os.read(self._read, 1 << 20)
            if not more:
                raise RuntimeError(f"the browser ended with code {self._process.wait()}")
            self._buffer += more
        text, self._buffer = self._buffer.split(b"\0", 1)
        answer = json.loads(text)
        if "method" in answer:
            self.events.append((answer["method"], answer.get("params", {})))
        return answer

    def open(self, path: Path, *, width: int = 1200, dark: bool = False) -> None:
        """Load a file, at a width in CSS pixels, and wait until it is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._next()

    def evaluate(self, expression: str) -> Any:
        """The value of a script's expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def tab(self) -> None:
        """Press the tabulator key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)

    def picture(self) -> bytes:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def printed(self) -> bytes:
        """The page as PDF, on A4."""
        pdf = self.call(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True
        )
        return base64.b64decode(pdf["data"])

    def requests(self) -> list[str]:
        """Addresses that the page asked for, its own included."""
        return [p["request"]["url"] for m, p in self.events if m == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the console shows."""
        out = []
        for method, parameters in self.events:
            if method == "Runtime.exceptionThrown":
                out.append(parameters["exceptionDetails"]["text"])
            elif method == "Log.entryAdded":
                out.append(parameters["entry"]["text"])
            elif method == "Runtime.consoleAPICalled":
                out.append(str(parameters["args"]))
        return out
