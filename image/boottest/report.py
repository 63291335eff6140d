"""What a boot test saw, line by line."""

import subprocess
import time


class Failed(Exception):
    """A line of the test did not hold; says what was seen."""


class Report:
    """The lines, on the terminal at once and in a file at the end."""

    def __init__(self):
        self.lines, self.failed, self.start = [], 0, time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.start:6.0f} s] {text}", flush=True)

    def line(self, name, check):
        """Runs `check`; it returns what was seen, or raises Failed with it."""
        self.say(f"… {name}")
        began = time.monotonic()
        try:
            seen, verdict = check(), "pass"
        except (Failed, OSError, subprocess.SubprocessError, TimeoutError) as error:
            seen, verdict = str(error) or type(error).__name__, "FAIL"
            self.failed += 1
        took = time.monotonic() - began
        self.lines.append((name, verdict, took, seen))
        self.say(f"{verdict}: {name} ({took:.0f} s): {seen}")
        return verdict == "pass"

    def table(self):
        """The lines as a table in Markdown."""
        cell = lambda text: text.replace("\n", " ").replace("|", "/")
        rows = "".join(f"| {name} | {verdict} | {took:.0f} s | {cell(seen)} |\n" for name, verdict, took, seen in self.lines)
        return f"| Line | Result | Took | Seen |\n|---|---|---|---|\n{rows}"


def wait(condition, seconds, problem):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(problem)
        time.sleep(0.2)
