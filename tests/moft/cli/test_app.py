"""The command line: errors in one line, commands of plugins, and a quick start."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

import moft
from moft import ConfigError, DataError, hookimpl
from moft.cli import app as app_module
from moft.cli.app import application, main
from moft.cli.exit_code import exit_code
from moft.hooks.plugin_manager import Plugins


class Adds:
    """Adds a command that does what it is told."""

    def __init__(self, call=lambda: print("done"), name: str = "toy", error: BaseException | None = None) -> None:
        self.call, self.name, self.error = call, name, error

    @hookimpl
    def moft_commands(self, app):
        if self.error is not None:
            raise self.error

        @app.command(self.name)
        def command() -> None:
            """Does what it is told."""
            self.call()


class AddsData:
    @hookimpl
    def moft_commands(self, data):
        @data.command("make")
        def make(count: int) -> None:
            print("made", count)


class AddsNonsense:
    @hookimpl
    def moft_commands(self, app):
        @app.command("nonsense")
        def command(value: NoSuchType) -> None:  # noqa: F821
            """Has a type that nobody knows."""


class SetsCallback:
    @hookimpl
    def moft_commands(self, app):
        @app.callback()
        def callback() -> None:
            """Would run before every command."""


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs `moft` with these plugins alone: exit code, stdout and lines on stderr."""

    def run_with(*argv: str, **plugins: object) -> tuple[int, str, list[str]]:
        def loaded() -> Plugins:
            manager = Plugins()
            for name, plugin in plugins.items():
                manager.register(plugin, name)
            monkeypatch.setattr(manager, "load", lambda: None)
            return manager

        monkeypatch.setattr(app_module, "Plugins", loaded)
        code = main(argv)
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run_with


def raising(error: BaseException):
    def call() -> None:
        raise error

    return call


def test_the_version_is_printed(run):
    assert run("--version") == (0, f"moft {moft.__version__}\n", [])


@pytest.mark.parametrize("argv", [(), ("--help",)])
def test_help_lists_the_commands(run, argv):
    code, out, err = run(*argv)
    assert (code, err) == (0, [])
    assert [name for name in ("train", "profile", "score", "plugins") if f"\n  {name} " not in out] == []


def test_a_plugin_adds_a_command(run):
    assert run("toy", toy=Adds()) == (0, "done\n", [])


def test_a_plugin_adds_to_the_group_data(run):
    assert run("data", "make", "3", toy=AddsData()) == (0, "made 3\n", [])
    code, out, _ = run("data", toy=AddsData())
    assert code == 0
    assert "make" in out


def test_without_such_a_plugin_there_is_no_group_data(run):
    code, _, err = run("data")
    assert (code, len(err)) == (2, 1)
    assert "No such command 'data'" in err[0]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Adds(error=RuntimeError("no\nlicence")), "RuntimeError: no licence"),
        (SetsCallback(), "it sets the callback of 'moft', which plugins may not set"),
        (Adds(name="train"), "'moft train' already exists"),
        (Adds(name="data"), "'moft data' already exists"),
    ],
)
def test_a_plugin_that_cannot_add_its_commands_is_named_and_the_others_work(run, broken, reason):
    code, out, err = run("toy", broken=broken, toy=Adds())
    assert (code, out) == (0, "done\n")
    assert err == [f"moft: plugin 'broken' adds no commands ({reason})."]


@pytest.mark.parametrize("argv", [(), ("trian",), ("nonsense",), ("plugins",)])
def test_a_command_that_typer_cannot_read_is_named_where_it_would_be_read(run, argv):
    code, out, err = run(*argv, broken=AddsNonsense(), toy=Adds())
    assert err[0].startswith("moft: plugin 'broken' adds no commands (")
    assert (code, len(err)) == ((2, 2) if argv and argv != ("plugins",) else (0, 1))
    assert bool(out) == (code == 0)


def test_a_command_that_typer_cannot_read_leaves_the_others_alone(run):
    assert run("toy", broken=AddsNonsense(), toy=Adds()) == (0, "done\n", [])


def test_only_the_command_that_is_named_is_read(run, monkeypatch):
    read = []
    plain = typer.main.get_params_from_function
    monkeypatch.setattr(
        typer.main, "get_params_from_function", lambda function: read.append(function.__name__) or plain(function)
    )
    assert run("data", "make", "3", toy=AddsData(), other=Adds())[1] == "made 3\n"
    assert {"root", "make"} <= set(read)
    assert not {"train", "toy", "plugins"} & set(read)


def test_two_plugins_with_one_command_name_the_second(run):
    code, out, err = run("toy", first=Adds(), second=Adds(lambda: print("other")))
    assert (code, out) == (0, "done\n")
    assert err == ["moft: plugin 'second' adds no commands ('moft toy' already exists)."]


def test_a_command_finds_the_plugins_in_its_context():
    found = []

    class Asks:
        @hookimpl
        def moft_commands(self, app):
            @app.command("ask")
            def ask(context: typer.Context) -> None:
                found.append(context.obj)

    plugins = Plugins()
    plugins.register(Asks(), "asks")
    typer.main.get_command(application(plugins)).main(args=["ask"], standalone_mode=False)
    assert found == [plugins]


def test_a_mistake_is_one_line_and_exit_code_2(run):
    error = DataError("a.txt:3: label column '7' is empty.")
    assert run("toy", toy=Adds(raising(error))) == (2, "", ["moft: error: a.txt:3: label column '7' is empty."])


def test_many_mistakes_are_a_line_each(run):
    code, _, err = run("toy", toy=Adds(raising(ConfigError("a: wrong.\nb: wrong."))))
    assert (code, err) == (2, ["moft: error: a: wrong.", "moft: error: b: wrong."])


def test_a_mistake_without_words_has_its_name(run):
    assert run("toy", toy=Adds(raising(ConfigError())))[2] == ["moft: error: ConfigError"]


def test_the_trace_switch_shows_where_a_mistake_was_found(run, monkeypatch):
    monkeypatch.setenv("MOFT_TRACE", "1")
    code, _, err = run("toy", toy=Adds(raising(ConfigError("wrong."))))
    assert code == 2
    assert err[0] == "Traceback (most recent call last):"
    assert err[-1] == "moft: error: wrong."
    monkeypatch.setenv("MOFT_TRACE", "0")
    assert run("toy", toy=Adds(raising(ConfigError("wrong."))))[2] == ["moft: error: wrong."]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("trian",), "moft: error: No such command 'trian'. Did you mean 'train'? Try 'moft --help'."),
        (("--nonsense",), "moft: error: No such option: --nonsense. Try 'moft --help'."),
        (("data", "make"), "moft: error: Missing argument 'count'. Try 'moft data make --help'."),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(run, argv, line):
    code, out, err = run(*argv, data=AddsData())
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].lower() == line.lower()


def test_a_wrong_value_on_the_command_line_names_its_argument(run):
    code, out, err = run("data", "make", "x", data=AddsData())
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].lower().startswith("moft: error: invalid value for 'count': ")
    assert err[0].endswith(" Try 'moft data make --help'.")


@pytest.mark.parametrize("typed", ["1_0", "\u0661", "inf", "0x10"])
def test_a_number_on_the_command_line_is_decimal(run, typed):
    code, out, err = run("data", "make", typed, data=AddsData())
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("moft: error: Invalid value for 'count': ")


@pytest.mark.parametrize("word", ["a\0b", "a\udcffb"])
def test_a_word_that_is_no_text_is_refused(run, word):
    assert run("train", word) == (2, "", [f"moft: error: the argument {word!r} is not UTF-8 text."])


def test_a_message_has_an_end(run):
    code, _, err = run("train", "a" * 100_000)
    assert (code, len(err)) == (2, 1)
    assert len(err[0]) < 2100
    assert err[0].endswith("cannot be read (File name too long).")


def test_a_group_without_a_command_shows_its_help(run):
    class Groups:
        @hookimpl
        def moft_commands(self, data):
            group = typer.Typer(no_args_is_help=True)
            group.callback()(lambda: None)
            group.command("synthetic")(lambda: None)
            data.add_typer(group, name="make")

    code, _, err = run("data", "make", groups=Groups())
    assert code == 2
    assert err[0].startswith("Usage: moft data make")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "data/x"), "moft: error: data/x: No such file or directory."),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), Path("runs")), "moft: error: runs: Permission denied."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a"), "moft: error: runs/a: No space left on device."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "moft: error: No space left on device."),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "moft: error: a and b: Invalid cross-device link."),
        (OSError("not a\nsafetensors file"), "moft: error: not a safetensors file."),
        (TimeoutError(), "moft: error: TimeoutError."),
    ],
)
def test_what_the_system_refuses_is_one_line_with_its_file(run, error, line):
    assert run("toy", toy=Adds(raising(error))) == (2, "", [line])


def test_an_interrupt_is_one_line_and_exit_code_130(run):
    assert run("toy", toy=Adds(raising(KeyboardInterrupt()))) == (130, "", ["moft: interrupted. Start over with: moft toy"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_command_as_an_interrupt_does(run, number):
    def killed():
        os.kill(os.getpid(), number)
        time.sleep(30)

    before = signal.getsignal(number)
    assert run("toy", toy=Adds(killed)) == (128 + number, "", [f"moft: interrupted by {number.name}. Start over with: moft toy"])
    assert signal.getsignal(number) is before


def test_one_process_of_several_tells_of_an_interrupt(run, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert run("toy", toy=Adds(raising(KeyboardInterrupt()))) == (130, "", [])


def test_an_interrupt_outside_a_command_is_one_line_too(capsys):
    assert exit_code(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "moft: interrupted.\n"


def test_an_abort_is_one_line(run):
    assert run("toy", toy=Adds(raising(typer.Abort()))) == (1, "", ["moft: aborted."])


def test_a_command_may_give_an_exit_code(run):
    assert run("toy", toy=Adds(raising(typer.Exit(5)))) == (5, "", [])


def test_a_bug_is_no_mistake_of_the_user(run, monkeypatch):
    monkeypatch.setattr("moft.cli.commands.plugins.show", lambda *words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("plugins")


def test_a_bug_of_a_plugin_is_one_line_with_its_name(run):
    line = "moft: error: plugin 'toy' failed (ZeroDivisionError: division by zero). MOFT_TRACE=1 shows where."
    assert run("toy", toy=Adds(lambda: 1 / 0)) == (2, "", [line])


def test_a_closed_pipe_ends_in_silence():
    code = "import sys; from moft.cli.app import main; sys.exit(main(['--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("argv", "code"), [(["plugins"], 0), (["train", "none.yaml"], 2)])
def test_streams_that_were_closed_before_the_start_change_nothing(argv, code, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(argv) == code


def test_a_mistake_that_nobody_reads_keeps_its_exit_code():
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-c", "import sys; from moft.cli.app import main; sys.exit(main(['train', 'none.yaml']))"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("argv", [["--help"], ["plugins"], ["train", "--help"]])
def test_what_lists_and_helps_imports_nothing_slow(argv):
    code = (
        "import sys; from moft.cli.app import main; main(sys.argv[1:]);"
        "print([m for m in ('torch', 'numpy', 'transformers', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"
