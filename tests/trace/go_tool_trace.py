"""The pages of `go tool trace` show what a program of mpg did.

    go_tool_trace.py GO FILE [SCREENSHOT]

With Chromium it also opens the timeline; without, it says that it does not.
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from tools.trace import webdriver


def check(what, ok, detail=""):
    if not ok:
        sys.exit("FAILED: %s\n%s" % (what, detail))


class Viewer:
    """go tool trace, serving FILE."""

    def __init__(self, go, file):
        scratch = tempfile.mkdtemp()
        # No browser shall be opened.
        env = dict(os.environ, HOME=scratch, BROWSER="true", DISPLAY="")
        self.process = subprocess.Popen(
            [go, "tool", "trace", "-http=127.0.0.1:0", file],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)

    def __enter__(self):
        log = ""
        for line in self.process.stderr:
            log += line
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                self.url = found.group(1)
                return self
        raise SystemExit("FAILED: go tool trace did not open it\n" + log)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def text(self, path):
        return self.get(path).decode()


def check_pages(viewer):
    groups = viewer.text("/goroutines")
    check("goroutines of the program", "sample::Everything()" in groups, groups)
    path = re.search(r'href="(/goroutine\?name=[^"]*Everything[^"]*)"', groups)
    check("a group has a page", path, groups)
    group = viewer.text(path.group(1).replace("&amp;", "&"))
    for column in ("Execution time", "Sched wait", "Block time"):
        check(column, column in group, group)

    tasks = viewer.text("/usertasks")
    check("50 tasks", "job" in tasks and ">50<" in tasks.replace(" ", ""), tasks)
    check("their logs", "value" in viewer.text("/usertask?type=job"))
    check("regions", "square" in viewer.text("/userregions"))
    timeline = viewer.text("/jsontrace?view=proc")
    for name in ("Proc 0", "Proc 1", "sample::Everything()", "syscall", "unblock"):
        check("in the timeline: " + name, name in timeline, timeline[:2000])
    check("threads", "Thread" in viewer.text("/jsontrace?view=thread"))
    # Profiles, which it would have drawn by another program. What the program's
    # functions are inlined into depends on the compiler.
    for page in ("/io", "/block", "/syscall", "/sched", "/regionblock"):
        profile = gzip.decompress(viewer.get(page + "?raw=1"))
        check(page + " shows the program",
              b"sample::" in profile or b"(closure)" in profile, profile)


def check_timeline(viewer, screenshot):
    with webdriver.Browser(tempfile.mkdtemp()) as browser:
        browser.open(viewer.url + "/trace")
        browser.wait("return document.body.innerText.includes('Proc 1')")
        rows = browser.run("""
            const view = document.querySelector('tr-ui-timeline-view');
            return Object.values(view.model.processes).flatMap(process =>
                Object.values(process.threads).map(thread =>
                    [thread.name, thread.sliceGroup.slices.map(s => s.title)]));""")
        slices = {name: titles for name, titles in rows}
        for proc in ("Proc 0", "Proc 1"):
            check(proc + " ran something", slices.get(proc), rows)
        check("goroutines have names",
              any("sample::" in title for title in slices["Proc 0"]), rows)
        picture = browser.screenshot()
        check("a picture", len(picture) > 20000, len(picture))
        if screenshot:
            with open(screenshot, "wb") as out:
                out.write(picture)
        browser.open(viewer.url + "/goroutines")
        check("the table of goroutines", "sample::Everything()" in browser.text("body"))


def main(go, file, screenshot=None):
    with Viewer(go, file) as viewer:
        check_pages(viewer)
        missing = webdriver.missing()
        if missing:
            print("SKIPPED the timeline in a browser: there is no", ", ".join(missing))
        else:
            check_timeline(viewer, screenshot)


main(*sys.argv[1:])
