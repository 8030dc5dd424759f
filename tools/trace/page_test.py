"""The page of `trace serve` in headless Chromium, as its user has it.

page_test.py TRACE PROGRAM FILE: the tool, a program of mpg that writes a trace if it is
asked to, a trace of Go. Skipped, with a message, where there is no Chromium.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request
import zlib

import webdriver

TRACE, PROGRAM, FILE = (os.path.abspath(path) for path in sys.argv[1:4])
SCRATCH = os.environ.get("TEST_TMPDIR") or tempfile.mkdtemp()
OUTPUTS = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")


class Server:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.process = subprocess.Popen([TRACE, "serve", self.path], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        assert line.startswith("trace: serving http://127.0.0.1:"), line
        self.url = line.split()[-1]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        _, self.errors = self.process.communicate()
        self.status = self.process.returncode

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen("%sapi/%s?%s" % (self.url, path, query)) as answer:
            return json.load(answer)


def pixels(png):
    """The rows of a PNG, as bytes: 8 bits a channel, not interlaced."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, header = 8, b"", None
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            data += body
        at += size + 12
    width, height, depth, colour, _, _, interlaced = header
    assert (depth, interlaced) == (8, 0) and colour in (2, 6), header
    step = 3 if colour == 2 else 4
    raw, stride, rows = zlib.decompress(data), width * step, []
    above = bytes(stride)
    for y in range(height):
        kind = raw[y * (stride + 1)]
        row = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left = row[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2,
                                paeth(left, above[x], corner))[kind]) & 255
        rows.append(bytes(row))
        above = row
    return step, rows


def paeth(a, b, c):
    p = a + b - c
    return min((a, b, c), key=lambda value: abs(p - value))


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(FILE).__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.browser = webdriver.Browser(tempfile.mkdtemp(dir=SCRATCH)).__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def setUp(self):
        self.load(self.server)

    def tearDown(self):
        self.assertEqual(self.browser.errors(), [])

    def load(self, server):
        self.browser.open(server.url)
        self.browser.wait("return document.body.dataset.state === 'ready'")
        self.settle()

    def settle(self):
        """Until what is wanted has come, and is drawn."""
        self.browser.wait(
            "const c = window.traceChart; return !c || c.data.settled && !c.frame")

    def range(self):
        self.settle()
        return self.browser.run("return window.traceChart.range()")

    def centre_of(self, stretch):
        """Where a stretch is on the screen."""
        return self.browser.run(
            "const c = window.traceChart, s = arguments[0];"
            "const box = c.chart.getBoundingClientRect();"
            "return [box.left + c.x((s.start + s.end) / 2),"
            "        box.top + c.picture.laneY(s.p) + c.plan.lane / 2]", stretch)

    def some_point(self):
        return self.browser.run(
            "const c = window.traceChart, box = c.chart.getBoundingClientRect();"
            "return [box.left + c.width * 0.6, box.top + c.picture.laneY(0) + 5]")

    def latest(self, fits):
        """The trace's latest stretch that fits."""
        total = self.server.ask("state")["trace"]["stretches"]
        for number in range(total - 1, -1, -1):
            s = self.server.ask("stretch", id=number)
            if fits(s):
                return s
        return self.fail("there is none in this trace")

    def woken(self):
        """A stretch whose goroutine had been blocked, and was woken by another."""
        return self.latest(lambda s: s["waker_at"] is not None and s["before"] and
                           s["before"]["end_of_it"]["how"] == "blocked" and
                           s["end_of_it"]["stack"])

    def select(self, s):
        """Clicks on the stretch, with it and as much around it in view."""
        length = s["end"] - s["start"]
        self.browser.run("window.traceChart.show(...arguments)",
                         s["start"] - length, s["end"] + length)
        self.settle()
        self.browser.click_at(*self.centre_of(s))
        self.browser.wait("return window.traceChart.selected?.stretch === arguments[0]",
                          s["stretch"])
        self.assertEqual(self.browser.text("#panel-goroutine"),
                         "G%d %s" % (s["goroutine"]["id"], s["goroutine"]["function"]))

    def test_the_page_says_what_was_loaded(self):
        trace = self.server.ask("state")["trace"]
        self.assertEqual(self.browser.text("#file"), os.path.basename(FILE))
        facts = self.browser.text("#facts")
        self.assertIn("%d goroutines" % trace["goroutines"], facts)
        self.assertIn("%d Ps" % trace["procs"], facts)
        self.assertEqual(self.range(), [0, trace["duration"]])
        self.assertEqual(self.browser.run(
            "return document.querySelectorAll('#legend li').length"), 8)

    def test_a_click_shows_why_a_goroutine_waited_and_who_woke_it(self):
        s = self.woken()
        self.select(s)
        before, waker = self.browser.text("#panel-before"), self.browser.text("#panel-waker")
        self.assertIn("Blocked: " + s["before"]["end_of_it"]["reason"], before)
        for name, place in s["before"]["end_of_it"]["stack"]:
            self.assertIn(name, before)
            self.assertIn(place, before)
        self.assertIn("G%d " % s["waker"]["id"], waker)
        self.assertIn("on P %d" % s["waker_p"], waker)
        self.assertIn(s["wake_stack"][0][0], waker)
        self.assertRegex(self.browser.text("#panel-waited"), r"^[\d.]+ (ns|µs|ms)$")
        self.assertIn(s["end_of_it"]["stack"][-1][0], self.browser.text("#panel-end"))
        totals = self.browser.text("#panel-totals")
        for row in ("execution", "sched wait", "blocked", "syscall"):
            self.assertIn(row, totals)
        # The link leads to who woke it.
        self.browser.click("#panel-waker .link")
        self.browser.wait("return window.traceChart.selected.stretch === arguments[0]",
                          s["waker_at"])
        seen = self.range()
        there = self.server.ask("stretch", id=s["waker_at"])
        self.assertTrue(seen[0] <= there["end"] and there["start"] <= seen[1])

    def test_a_click_on_nothing_selects_nothing(self):
        self.select(self.woken())
        self.browser.keys("Escape")
        self.browser.wait("return window.traceChart.selected === null")
        self.assertIn("Click on a stretch", self.browser.text("#panel"))

    def test_the_wheel_zooms_around_the_mouse(self):
        before = self.range()
        x, y = self.some_point()
        time_at = "return window.traceChart.x.invert(arguments[0])"
        under = self.browser.run(time_at, x)
        for _ in range(5):
            self.browser.wheel(x, y, -120)
        after = self.range()
        self.assertLess(after[1] - after[0], 0.5 * (before[1] - before[0]))
        self.assertTrue(before[0] < after[0] < under < after[1] < before[1])
        self.assertAlmostEqual(self.browser.run(time_at, x), under,
                               delta=(after[1] - after[0]) / 100)
        self.browser.wheel(x, y, 120)
        wider = self.range()
        self.assertGreater(wider[1] - wider[0], after[1] - after[0])

    def test_keys_and_buttons_zoom_and_pan(self):
        length = lambda r: r[1] - r[0]
        whole = self.range()
        self.browser.keys("w", "w", "w")
        near = self.range()
        self.assertAlmostEqual(length(near), length(whole) / 1.5 ** 3, delta=1)
        self.browser.keys("d")
        right = self.range()
        self.assertAlmostEqual(right[0], near[0] + 0.2 * length(near), delta=1)
        self.browser.keys("a", "s")
        self.assertAlmostEqual(length(self.range()), length(near) * 1.5, delta=1)
        self.browser.keys("0")
        self.assertEqual(self.range(), whole)
        self.browser.click("#in")
        self.assertAlmostEqual(length(self.range()), length(whole) / 1.5, delta=1)
        self.browser.click("#fit")
        self.assertEqual(self.range(), whole)

    def test_a_drag_pans_and_selects_nothing(self):
        self.browser.keys("w", "w", "w", "w")
        before = self.range()
        x, y = self.some_point()
        self.browser.drag(x, y, x - 150, y)
        after = self.range()
        self.assertGreater(after[0], before[0])
        self.assertAlmostEqual(after[1] - after[0], before[1] - before[0], delta=1)
        self.assertIsNone(self.browser.run("return window.traceChart.selected"))

    def test_search_goes_from_hit_to_hit(self):
        found = []
        self.browser.keys("/")
        self.browser.keys(*"worker")
        for key in ("Enter", "Enter", "Enter", "Shift+Enter"):
            self.browser.keys(key)
            last = found[-1] if found else -1
            self.browser.wait("return (window.traceChart.selected?.stretch ?? -1) !=="
                              " arguments[0]", last)
            hit = self.browser.run("return window.traceChart.selected")
            self.assertIn("worker", hit["goroutine"]["function"])
            seen = self.range()
            self.assertTrue(seen[0] <= hit["start"] and hit["end"] <= seen[1])
            found.append(hit["stretch"])
        self.assertLess(found[0], found[1])
        self.assertLess(found[1], found[2])
        self.assertEqual(found[3], found[1])
        self.assertIn("goroutine", self.browser.text("#hits"))
        self.browser.run("document.querySelector('#query').value = 'no such thing'")
        self.browser.click("#after")
        self.browser.wait("return document.querySelector('#hits').innerText === 'nothing found'")
        number = hit["goroutine"]["id"]
        self.browser.run("document.querySelector('#query').value = arguments[0]", str(number))
        self.browser.click("#after")
        self.browser.wait("return window.traceChart.selected.stretch !== arguments[0]", found[3])
        self.assertEqual(self.browser.run("return window.traceChart.selected.goroutine.id"), number)

    def test_arrow_keys_go_from_stretch_to_stretch(self):
        s = self.latest(lambda s: None not in (s["left"], s["right"], s["next"]))
        self.select(s)
        for key, number in (("ArrowRight", s["right"]), ("ArrowLeft", s["stretch"]),
                            ("]", s["next"]), ("[", s["stretch"])):
            self.browser.keys(key)
            self.browser.wait("return window.traceChart.selected.stretch === arguments[0]", number)

    def test_the_picture_has_lanes_in_the_colours_of_functions(self):
        png = self.browser.screenshot()
        if OUTPUTS:
            with open(os.path.join(OUTPUTS, "page.png"), "wb") as out:
                out.write(png)
        step, rows = pixels(png)
        x, y = self.some_point()
        seen = set()
        for row in rows[round(y)::4]:
            seen.update(row[i:i + step] for i in range(0, len(row), 4 * step))
        self.assertGreater(len(seen), 8)
        # What main.main ran is drawn in its colour, and wide enough to have a label.
        self.browser.keys("w")
        longest = self.browser.run(
            "return window.traceChart.data.answer.lanes.flat().filter((c) => c.length === 6 && !c[5])"
            ".reduce((a, c) => (c[1] > a[1] ? c : a))")
        s = self.server.ask("stretch", id=longest[2])
        self.select(s)
        self.browser.keys("Escape")
        self.settle()
        at_x, at_y = self.centre_of(s)
        step, rows = pixels(self.browser.screenshot())
        colour = self.browser.run(
            "const c = d3.color(window.traceChart.colour(arguments[0])); return [c.r, c.g, c.b]",
            longest[4])
        x, y = round(at_x), round(at_y + 10)
        self.assertEqual(list(rows[y][x * step:x * step + 3]), colour)

    def test_a_damaged_file_is_shown_as_far_as_it_goes(self):
        cut = os.path.join(SCRATCH, "cut.trace")
        with open(FILE, "rb") as whole, open(cut, "wb") as part:
            part.write(whole.read()[:5000])
        with Server(cut) as server:
            self.load(server)
            self.assertIn("truncated trace", self.browser.text("#error"))
        self.assertEqual(server.status, 1)
        self.assertIn("trace: %s: truncated trace" % cut, server.errors)

    def test_a_trace_of_mpg(self):
        written = os.path.join(SCRATCH, "mpg.trace")
        subprocess.run([PROGRAM], check=True, stdout=subprocess.DEVNULL, timeout=60,
                       env=dict(os.environ, MPG_TRACE=written))
        with Server(written) as server:
            self.load(server)
            self.assertGreater(server.ask("state")["trace"]["stretches"], 0)
            self.assertFalse(self.browser.run(
                "return !document.querySelector('#error').hidden"))
            self.browser.keys("ArrowRight")
            self.browser.wait("return window.traceChart.selected !== null")
        self.assertEqual((server.status, server.errors), (0, ""))


if __name__ == "__main__":
    lacking = webdriver.missing()
    if lacking:
        print("SKIPPED: there is no %s here (tools/setup.sh test)" % " and no ".join(lacking))
        sys.exit(0)
    unittest.main(argv=sys.argv[:1], verbosity=2)
