"""Runs mpg-top on a program: mpg-top_test.py MPG_TOP SAMPLE"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

TOP, SAMPLE = (os.path.abspath(a) for a in sys.argv[1:3])
PATIENCE = 60
SEVEN = "7 goroutines [chan receive]:\n"


class Terminal:
    """mpg-top on a pseudo terminal."""

    def __init__(self, *args, rows=50):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm")
            self.fd = 0
            self.resize(rows, 100)
            os.execv(sys.executable, [sys.executable, TOP, *args])
        self.text = ""

    def read_until(self, regex):
        """What came since the last call, up to a match."""
        end = time.monotonic() + PATIENCE
        while not re.search(regex, self.text):
            ready, _, _ = select.select([self.fd], [], [],
                                        end - time.monotonic())
            if not ready:
                raise AssertionError("no %r in %r" % (regex, self.text))
            try:
                part = os.read(self.fd, 1 << 16)
            except OSError:
                part = b""
            if not part:
                raise AssertionError("ended without %r: %r" % (regex, self.text))
            self.text += part.decode(errors="replace")
        seen, self.text = self.text, ""
        return seen

    def resize(self, rows, columns):
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def press(self, key):
        os.write(self.fd, key.encode())

    def close(self):
        os.close(self.fd)


class TopTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(dir="/tmp", prefix="mpg")
        self.path = self.dir.name + "/s"
        self.program = subprocess.Popen(
            [SAMPLE], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, MPG_DEBUG_SOCKET=self.path, GOMAXPROCS="2"))
        # The socket is there before the goroutines are.
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.run_top("--json")
            if answer.returncode == 0 and '"chan receive":' in answer.stdout:
                states = json.loads(answer.stdout)["runtimes"][0]["states"]
                # Two that talk are in "chan receive" now and then, too.
                if (states.get("sleep") == 3 and states.get("syscall") == 1 and
                        SEVEN in self.run_top("--dump", "--grouped").stdout):
                    break
            time.sleep(0.01)
        else:
            self.fail("the program does not come up: %s" % answer)

    def tearDown(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.stdin.close()
        self.program.stderr.close()
        self.program.wait()
        self.dir.cleanup()

    def run_top(self, *args):
        return subprocess.run([sys.executable, TOP, *args, self.path],
                              capture_output=True, text=True, timeout=PATIENCE)

    def test_once(self):
        out = self.run_top("--once")
        self.assertEqual(0, out.returncode, out.stderr)
        self.assertRegex(out.stdout, r"^\S+  pid %d  cpu -" % self.program.pid)
        self.assertRegex(out.stdout, r"\nRuntime 0  up \S+  gomaxprocs 2 ")
        self.assertRegex(out.stdout, r"\n  goroutines 13 ")
        self.assertRegex(out.stdout, r"\n  latency p50 \d\S+s  p99 \d\S+s  max "
                         r"\d\S+s  of \S+ timed  thread wakes/s -\n")
        self.assertRegex(out.stdout, r"\n  chan receive +[789] +-\n")
        self.assertRegex(out.stdout, r"\n  sleep +3 ")
        self.assertRegex(out.stdout, r"\n  syscall +1 ")
        self.assertRegex(out.stdout, r"\n  P0   [a-z]+ +(M\d+|-) ")
        self.assertRegex(out.stdout, r"\n  P1   ")
        self.assertRegex(out.stdout, r"\n  M0 +%d " % self.program.pid)

    def test_batch_has_rates_from_the_second_on(self):
        out = self.run_top("--batch", "-i", "0.2", "-n", "2")
        self.assertEqual(0, out.returncode, out.stderr)
        first, second = re.findall(r"switches/s (\S+)", out.stdout)
        self.assertEqual("-", first)
        self.assertRegex(second, r"^[1-9]")  # two goroutines talk
        self.assertRegex(out.stdout, r"cpu \d+%  thread wakeups/s \d")

    def test_dump(self):
        out = self.run_top("--dump", "--grouped")
        self.assertIn(SEVEN, out.stdout)
        self.assertNotIn(" goroutines [", self.run_top("--dump").stdout)

    def test_screen_is_redrawn_and_keys_work(self):
        terminal = Terminal("-i", "0.2", self.path)
        terminal.read_until(r"\x1b\[\?1049h(.|\n)*by count(.|\n)*q quit")
        terminal.read_until(r"switches/s [1-9]")  # the second one
        terminal.press("s")
        shown = terminal.read_until(r"by name(.|\n)*q quit")
        states = re.findall(r"\r\n  (chan receive|sleep|syscall) ",
                            shown[shown.rindex("by name"):])
        self.assertEqual(["chan receive", "sleep", "syscall"], states)
        terminal.press("d")
        terminal.read_until(r"7 goroutines \[chan receive\](.|\n)*any other key")
        terminal.press("x")
        terminal.read_until(r"by name")
        terminal.press(" ")
        terminal.read_until(r"STOPPED")
        terminal.press("q")
        terminal.read_until(r"\x1b\[\?25h\x1b\[\?1049l")
        self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
        terminal.close()

    def test_screen_fits_a_window_that_changes(self):
        # Not due again within the test.
        terminal = Terminal("-i", "600", self.path)
        terminal.read_until(r"q quit(.|\n)*\x1b\[K")
        terminal.resize(10, 30)
        shown = terminal.read_until(r"more lines(.|\n)*\x1b\[10;1H\x1b\[7m")
        lines = re.findall(r"(.*)\x1b\[K\r+\n", shown)
        self.assertEqual(9, len(lines))
        self.assertLessEqual(max(map(len, lines)), 30 + len("\x1b[H"))
        terminal.press("q")
        self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
        terminal.close()

    def test_dump_has_pages(self):
        terminal = Terminal("-i", "600", self.path, rows=10)
        terminal.read_until(r"q quit")
        terminal.press("d")
        terminal.read_until(r"line 1 of \d+ ")
        terminal.press(" ")
        terminal.read_until(r"line 9 of \d+ ")
        terminal.press("b")
        terminal.read_until(r"line 1 of \d+ ")
        terminal.press("x")
        terminal.read_until(r"q quit")
        terminal.press("q")
        self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
        terminal.close()

    def test_terminal_is_as_before_when_killed_and_when_suspended(self):
        terminal = Terminal("-i", "0.2", self.path)
        terminal.read_until(r"q quit")
        # It does not stop: nobody is there who could set it going again.
        os.kill(terminal.pid, signal.SIGTSTP)
        terminal.read_until(r"\x1b\[\?25h\x1b\[\?1049l(.|\n)*"
                            r"\x1b\[\?1049h(.|\n)*q quit")
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.read_until(r"\x1b\[\?25h\x1b\[\?1049l")
        _, status = os.waitpid(terminal.pid, 0)
        self.assertEqual(128 + signal.SIGTERM, os.waitstatus_to_exitcode(status))
        terminal.close()

    def test_two_viewers_and_one_that_says_nothing(self):
        silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        silent.connect(self.path)
        terminals = [Terminal("-i", "0.2", self.path) for _ in range(2)]
        for _ in range(2):
            for terminal in terminals:
                terminal.read_until(r"switches/s [1-9](.|\n)*q quit")
        for terminal in terminals:
            terminal.press("q")
            self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
            terminal.close()
        silent.close()

    def test_a_program_that_was_killed(self):
        terminal = Terminal("-i", "0.2", self.path)
        terminal.read_until(r"by count")
        self.program.kill()
        self.program.wait()
        terminal.read_until(r"Connection refused")  # the socket is still there
        out = self.run_top("--once")
        self.assertEqual(1, out.returncode)
        self.assertRegex(out.stderr, r"^mpg-top: .*Connection refused\n$")
        terminal.press("q")
        self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
        terminal.close()

    def test_screen_outlives_the_program(self):
        terminal = Terminal("-i", "0.2", self.path)
        terminal.read_until(r"by count")
        self.program.stdin.close()
        self.assertEqual(0, self.program.wait(PATIENCE))
        self.assertFalse(os.path.exists(self.path))
        terminal.read_until(r"No such file")
        terminal.press("q")
        terminal.read_until(r"\x1b\[\?1049l")
        self.assertEqual((terminal.pid, 0), os.waitpid(terminal.pid, 0))
        terminal.close()

    def test_without_a_program(self):
        out = subprocess.run([sys.executable, TOP, "--once", self.path + "x"],
                             capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(1, out.returncode)
        self.assertRegex(out.stderr, r"^mpg-top: .*No such file")

    def test_somebody_else_answers(self):
        path = self.path + "x"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
            server.listen()
            for answer in (b"", b"garbage", b"[]", b'{"version":2}'):
                top = subprocess.Popen([sys.executable, TOP, "--once", path],
                                       stderr=subprocess.PIPE, text=True)
                client, _ = server.accept()
                with client:
                    client.recv(100)
                    client.sendall(answer)
                _, errors = top.communicate(timeout=PATIENCE)
                self.assertEqual(1, top.returncode)
                self.assertRegex(errors, r"^mpg-top: .*(no answer|not a snapshot)"
                                 r".*\n$")

    def test_without_a_terminal(self):
        out = self.run_top()
        self.assertEqual(2, out.returncode)
        self.assertIn("--once or --batch", out.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
