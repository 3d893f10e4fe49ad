"""Tests of where progress is displayed, and of bars and lines."""

import io
import os
import sys
import threading
from types import SimpleNamespace

import pytest
from api.terminal import Terminal
from metaflow import current
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.api.observers import ProgressReport
from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.progress_display import Bar, Callback, Lines, checked, display_for
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.tally import Tally

HALF = Progress("get", 500, 1000, 2_000_000, 4_100_000, 0, 10.0, False, 100_000.0)
MORE = HALF._replace(objects=700, bytes=3_000_000)
DONE = HALF._replace(objects=1000, bytes=4_100_000, done=True)
LISTING = Progress("list", 500, None, 0, 0, 0, 1.0, False)
LISTED = LISTING._replace(objects=700, total_objects=700, done=True)


tqdm_of_terminals = pytest.importorskip("tqdm.auto").tqdm


class Screen(io.StringIO):
    """Looks like a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def stderr(monkeypatch):
    """Have this process another stderr."""

    def use(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return use


@pytest.fixture
def terminal():
    with Terminal() as terminal:
        yield terminal


@pytest.fixture
def flow(monkeypatch):
    monkeypatch.setattr(current, "_is_running", True)


@pytest.fixture
def kernel(monkeypatch):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shell


@pytest.fixture
def no_tqdm(monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)


def print_nothing(progress):
    pass


@pytest.mark.parametrize("progress", [None, True, False, print_nothing, Screen])
def test_accepted_values(progress):
    assert checked(progress) is progress


@pytest.mark.parametrize("progress", ["yes", 1, 0, [], {}, 2.5])
def test_anything_else_is_refused_with_what_to_give(progress):
    with pytest.raises(MetaflowS3Exception, match="Give None") as refused:
        checked(progress)
    assert f"S3(progress={progress!r})" in str(refused.value)


@pytest.mark.parametrize(
    ("where", "automatic", "always"),
    [
        ([], None, Lines),
        (["terminal"], Bar, Bar),
        (["kernel"], Bar, Bar),
        (["flow"], Lines, Lines),
        (["flow", "terminal"], Bar, Bar),
        (["closed"], None, None),
        (["closed", "flow"], None, None),
        (["none"], None, None),
        (["none", "flow"], None, None),
    ],
)
def test_outputs_that_show_it(request, stderr, where, automatic, always):
    stream = stderr(Screen() if "terminal" in where else io.StringIO())
    if "closed" in where:
        stream.close()
    if "none" in where:
        stderr(None)
    for fixture in {"kernel", "flow"} & set(where):
        request.getfixturevalue(fixture)
    assert display_for(False) is None
    for setting, expected in ((None, automatic), (True, always)):
        display = display_for(setting)
        assert display is None if expected is None else type(display) is expected
        if setting and display:
            assert display.first == 0
    assert type(display_for(print_nothing)) is Callback


def test_without_tqdm_a_terminal_gets_lines_from_the_third_second_on(stderr, no_tqdm):
    stderr(Screen())
    display = display_for(None)
    assert (type(display), display.first, display.interval) == (Lines, 2.0, 10.0)
    assert display_for(True).first == 0.0


def test_a_bar_waits_two_seconds_and_a_log_ten(stderr, flow):
    stderr(Screen())
    assert (display_for(None).first, display_for(None).interval) == (2.0, 0.1)
    stderr(io.StringIO())
    assert (display_for(None).first, display_for(None).interval) == (10.0, 10.0)
    assert (display_for(print_nothing).first, display_for(print_nothing).interval) == (0.0, 0.1)


def test_ipython_in_a_terminal_is_a_terminal(stderr, kernel):
    kernel.kernel = None
    stderr(io.StringIO())
    assert display_for(None) is None


def test_a_forked_child_of_a_notebook_does_not_speak_to_it(stderr, kernel):
    stream = stderr(io.StringIO())
    stream._master_pid = os.getppid()
    assert display_for(None) is None


def test_a_log_gets_a_line_every_ten_seconds_and_one_at_the_end(stderr, flow):
    log, now = stderr(io.StringIO()), [0.0]
    tally = Tally("put", 100, 1_000_000)
    observed = ProgressReport(tally, display_for(None), lambda: now[0])
    for _ in range(100):
        tally.objects += 1
        tally.bytes += 10_000
        now[0] += 0.35
        observed(Outcome(0))
    assert [line.split(", ")[:2] for line in log.getvalue().splitlines()] == [
        ["S3 put: 29%", "29/100 objects"],
        ["S3 put: 58%", "58/100 objects"],
        ["S3 put: 87%", "87/100 objects"],
    ]
    observed.finish()
    assert log.getvalue().splitlines()[3:] == ["S3 put: 100 objects, 976.6 KiB, 27.9 KiB/s, in 35.0 s"]


def test_a_call_of_nine_seconds_is_no_line_in_a_log(stderr, flow):
    log, now = stderr(io.StringIO()), [0.0]
    observed = ProgressReport(Tally("put", 1, 1), display_for(None), lambda: now[0])
    now[0] = 9.9
    observed(Outcome(0))
    observed.finish()
    assert log.getvalue() == ""


def test_a_bar_is_rewritten_and_ends_with_its_line(terminal):
    stream = os.fdopen(os.dup(terminal.descriptor), "w", encoding="utf-8")
    bar = Bar(stream, 0.0)
    for progress in (HALF, MORE, DONE):
        bar.show(progress)
    bar.close()
    bar.close()
    stream.close()
    text = terminal.rest()
    lines = text.split("\r")
    assert text.count("\n") == 1
    assert text.endswith("\r\n")
    assert all(len(line) < 80 for line in lines)
    assert max(line.count("\u2588") for line in lines) > 5
    messages = [
        "500/1,000 objects, 1.9/3.9 MiB, 97.7 KiB/s, 21.0 s left",
        "700/1,000 objects, 2.9/3.9 MiB, 97.7 KiB/s, 11.0 s left",
    ]
    assert [any(words in line for line in lines) for words in messages] == [True, True]
    last = lines[-2].rstrip()
    assert last.startswith("S3 get: 100%")
    assert last.endswith("1,000 objects, 3.9 MiB, 400.4 KiB/s, in 10.0 s")


def test_without_a_total_there_is_no_bar(terminal):
    stream = os.fdopen(os.dup(terminal.descriptor), "w", encoding="utf-8")
    bar = Bar(stream, 0.0)
    bar.show(LISTING)
    bar.show(LISTED)
    bar.close()
    stream.close()
    text = terminal.rest()
    assert "S3 list: 500 entries" in text
    assert "700 entries, in 1.0 s" in text
    assert "|" not in text


def test_lines_of_other_code_have_their_own_line(terminal):
    stream = os.fdopen(os.dup(terminal.descriptor), "w", encoding="utf-8")
    bar = Bar(stream, 0.0)
    bar.make_room()  # nothing is there yet
    bar.show(HALF)
    bar.make_room()
    stream.write("somebody else's\n")
    bar.show(DONE)
    bar.close()
    stream.close()
    text = terminal.rest()
    before = text[: text.index("somebody else's")]
    assert before.endswith("\r")
    assert before.rstrip("\r").rpartition("\r")[2].strip() == ""  # blanks over what was there
    assert text.count("\n") == 2


def test_without_a_display_nothing_is_written():
    screen = Screen()
    bar = Bar(screen, 0.0)
    bar.close()
    bar.show(HALF)
    assert screen.getvalue() == ""


class Ascii(Screen):
    encoding = "ascii"

    def write(self, text):
        return super().write(text.encode("ascii").decode())


def test_a_terminal_without_blocks_gets_a_bar_all_the_same():
    screen = Ascii()
    bar = Bar(screen, 0.0)
    bar.show(HALF)
    bar.close()
    assert "500/1,000 objects" in screen.getvalue()


def test_a_stream_that_closes_meanwhile_ends_nothing(stderr):
    screen, log = Screen(), stderr(io.StringIO())
    displays = [Bar(screen, 0.0), Lines(0.0)]
    for stream, display in zip((screen, log), displays):
        display.show(HALF)
        assert "500/1,000 objects" in stream.getvalue()
        stream.close()
        display.show(MORE)
        display.make_room()
        display.close()


def test_a_closed_output_ends_nothing(stderr):
    ours, theirs = os.pipe()
    os.close(ours)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        stream = stderr(os.fdopen(theirs, "w", encoding="utf-8"))
        for display in (Bar(stream, 0.0), Lines(0.0)):
            display.show(HALF)
            display.show(DONE)
            display.close()
        with pytest.raises(BrokenPipeError):
            stream.flush()  # of what they wrote
        os.dup2(nowhere.fileno(), theirs)  # so that the stream itself can be closed
        stream.close()


@pytest.mark.parametrize("what", ["__init__", "set_description_str", "clear"])
def test_a_bar_that_can_not_be_drawn_is_missed_less_than_the_call(monkeypatch, what):
    attempts = []

    def broken(*_, **__):
        attempts.append(what)
        raise RuntimeError("no bar today")

    monkeypatch.setattr(tqdm_of_terminals, what, broken)
    bar = Bar(Screen(), 0.0)
    bar.show(HALF)
    bar.show(HALF)
    bar.make_room()
    bar.close()
    assert attempts == [what]  # and none after the error


def test_a_bar_is_closed_by_one_thread_while_another_is_stuck_in_it():
    stuck, go_on = threading.Event(), threading.Event()

    class Stuck(Screen):
        def write(self, text):
            if threading.current_thread() is thread:
                stuck.set()
                go_on.wait()
            return super().write(text)

    screen = Stuck()
    bar = Bar(screen, 0.0)
    thread = None
    bar.show(HALF)
    thread = threading.Thread(target=bar.show, args=(MORE,))
    thread.start()
    stuck.wait()
    bar.close()
    go_on.set()
    thread.join()
    bar.show(DONE)
    assert "1,000 objects, 4.1 MB" not in screen.getvalue()
    assert screen.getvalue().endswith("\n")


def test_a_bar_has_no_thread():
    before = threading.active_count()
    bar = Bar(Screen(), 0.0)
    bar.show(HALF)
    assert threading.active_count() == before
    bar.close()
