"""A browser driven over the W3C WebDriver protocol, with the standard library only.

    with Browser(scratch_folder) as browser:
        browser.open("http://127.0.0.1:8080/")
        browser.wait("return document.readyState === 'complete'")
"""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,800",
)
SECONDS = float(os.environ.get("WEBDRIVER_SECONDS", 60))
# Of the protocol: how an answer names an element; keys that are no characters.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012",
        "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015",
        "Shift": "\ue008"}


def missing():
    """Of the programs that are needed, those that are not here."""
    return [name for name in PROGRAMS if not shutil.which(name)]


class Browser:
    def __init__(self, scratch, flags=()):
        self.scratch = scratch
        self.flags = FLAGS + tuple(flags)
        self.session = None

    def __enter__(self):
        home = os.path.join(self.scratch, "home")
        os.makedirs(home, exist_ok=True)
        self.log = open(os.path.join(self.scratch, "chromedriver.log"), "w+")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT,
            env=dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home))
        try:
            self.url = "http://127.0.0.1:%d" % self._port()
            self.session = self._start(os.path.join(self.scratch, "profile"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self._call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.log.close()

    def _port(self):
        start = "ChromeDriver was started successfully on port "
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.driver.poll() is None:
            with open(self.log.name) as log:
                for line in log:
                    if line.startswith(start) and line.endswith("\n"):
                        return int(line[len(start):].strip().rstrip("."))
            time.sleep(0.05)
        with open(self.log.name) as log:
            raise RuntimeError("chromedriver did not start: " + log.read())

    def _start(self, profile):
        options = {"args": list(self.flags) + ["--user-data-dir=" + profile],
                   "binary": shutil.which("chromium")}
        capabilities = {"goog:chromeOptions": options,
                        "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._request("POST", self.url + "/session",
                               {"capabilities": {"alwaysMatch": capabilities}})
        return answer["sessionId"]

    @staticmethod
    def _request(method, url, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=2 * SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def _call(self, method, path, body=None):
        return self._request(method, self.url + "/session/" + self.session + path, body)

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def run(self, script, *args):
        """What a function with that body returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": args})

    def wait(self, script, *args):
        """Until the script returns something true, which is then returned."""
        deadline = time.monotonic() + SECONDS
        while True:
            value = self.run(script, *args)
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError("still not: " + script)
            time.sleep(0.05)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def click(self, selector):
        element = self._call("POST", "/element",
                             {"using": "css selector", "value": selector})[ELEMENT]
        self._call("POST", "/element/%s/click" % element, {})

    def _act(self, kind, name, actions, **parameters):
        source = {"type": kind, "id": name, "actions": actions}
        if parameters:
            source["parameters"] = parameters
        self._call("POST", "/actions", {"actions": [source]})

    def click_at(self, x, y):
        self.drag(x, y, x, y)

    def drag(self, x, y, to_x, to_y):
        def move(x, y):
            return {"type": "pointerMove", "duration": 50, "x": round(x), "y": round(y)}
        moves = [] if (x, y) == (to_x, to_y) else [move((x + to_x) / 2, (y + to_y) / 2),
                                                   move(to_x, to_y)]
        self._act("pointer", "mouse",
                  [move(x, y), {"type": "pointerDown", "button": 0}] + moves +
                  [{"type": "pointerUp", "button": 0}], pointerType="mouse")

    def wheel(self, x, y, delta):
        self._act("wheel", "wheel", [{"type": "scroll", "x": round(x), "y": round(y),
                                      "deltaX": 0, "deltaY": delta, "duration": 0}])

    def keys(self, *keys):
        """Presses one after another; "Shift+Enter": both."""
        actions = []
        for chord in keys:
            pressed = [KEYS.get(key, key) for key in
                       (chord.split("+") if len(chord) > 1 else [chord])]
            actions += [{"type": "keyDown", "value": key} for key in pressed]
            actions += [{"type": "keyUp", "value": key} for key in reversed(pressed)]
        self._act("key", "keyboard", actions)

    def screenshot(self):
        """The bytes of a PNG."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def errors(self):
        """What the page has complained about on the console, since the last call."""
        log = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]
