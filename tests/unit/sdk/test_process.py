"""What the SDK does to its process: imports, the end of a program, forks. Each in a fresh interpreter."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from agentgauge import __all__ as exported
from agentgauge import __version__


class Run:
    """What a program did."""

    def __init__(self, program: str | Path, *arguments: str) -> None:
        command = [str(program)] if isinstance(program, Path) else ["-c", textwrap.dedent(program)]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AGENTGAUGE", "AGENTTRACE"))
        }
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, *command, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )
        self.seconds = time.monotonic() - started
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr


def test_importing_it_loads_neither_kafka_nor_an_event_loop() -> None:
    run = Run(
        """
        import sys, agentgauge
        client = agentgauge.init(enabled=True)
        @agentgauge.observe
        def f(): ...
        heavy = {"aiokafka", "asyncio", "faust", "confluent_kafka", "sqlalchemy", "typer", "multiprocessing"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert (run.out.strip(), run.err) == ("[]", "")


def test_module_level_functions_make_a_client_from_the_environment() -> None:
    run = Run(
        """
        import os
        os.environ["AGENTGAUGE_URL"] = "console:"
        import agentgauge
        agentgauge.event("x")
        """
    )
    assert json.loads(run.err)["name"] == "x"


@pytest.mark.parametrize("url", ["", "nonsense"])
def test_without_a_usable_client_the_program_runs_unobserved(url: str) -> None:
    run = Run(
        f"""
        import os
        os.environ["AGENTGAUGE_URL"] = "{url}"
        os.environ["AGENTGAUGE_BATCH_SIZE"] = "0"
        import agentgauge
        @agentgauge.observe
        def double(x):
            with agentgauge.span("s") as span:
                span.output = x
            return 2 * x
        print(double(double(1)))
        """
    )
    assert (run.code, run.out) == (0, "4\n")
    assert run.err.count("\n") == (1 if url else 0), run.err


def test_the_version_is_the_packages() -> None:
    assert __version__ == version("agentgauge")


def test_what_is_exported_is_sorted_and_there() -> None:
    import agentgauge

    assert sorted(exported) == exported
    assert all(hasattr(agentgauge, name) for name in exported)


PROGRAM = """
    import sys, time, agentgauge
    agentgauge.init(sys.argv[1])
    for number in range(3):
        agentgauge.event("x")
    print(repr(time.monotonic()))
"""


def test_where_nothing_answers_a_program_ends_after_a_second_with_one_line() -> None:
    run = Run(PROGRAM, "kafka://localhost:1")
    assert run.code == 0
    assert run.err == (
        "agentgauge: 3 events not delivered: nothing answers at kafka://localhost:1."
        " Start one with 'agentgauge up'.\n"
    )
    assert run.seconds < 4.0, "a second, and the start of an interpreter"


def test_a_program_that_has_been_told_already_is_not_told_again() -> None:
    run = Run(
        """
        import agentgauge
        client = agentgauge.init("kafka://localhost:1", flush_interval=0.01)
        client.event("x")
        client.flush(0.5)
        client.event("y")
        """
    )
    assert run.code == 0
    assert len(re.findall("not delivered", run.err)) == 1, run.err
    assert run.err.count("\n") == 1, run.err


def test_a_host_that_never_answers_holds_nobody_for_longer_than_five_seconds() -> None:
    run = Run(
        """
        import socket, sys, threading, agentgauge
        server = socket.create_server(("127.0.0.1", 0))  # accepts, and never says a word
        agentgauge.init(f"kafka://127.0.0.1:{server.getsockname()[1]}")
        agentgauge.event("x")
        """
    )
    assert run.code == 0
    assert 4.0 < run.seconds < 8.0
    assert run.err.count("\n") == 1, run.err


def test_the_last_events_of_a_short_program_are_delivered() -> None:
    run = Run(
        """
        import agentgauge
        agentgauge.init("console:")
        agentgauge.event("first")
        agentgauge.event("last")
        """
    )
    assert run.code == 0
    assert [json.loads(line)["name"] for line in run.err.splitlines()] == ["first", "last"]


def test_an_exit_by_exception_delivers_too() -> None:
    run = Run(
        """
        import agentgauge
        agentgauge.init("console:")
        with agentgauge.span("doomed"):
            raise SystemExit(3)
        """
    )
    assert run.code == 3
    assert json.loads(run.err)["error_type"] == "SystemExit"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_makes_another_producer_and_leaves_the_queue_to_the_parent() -> None:
    run = Run(
        """
        import json, os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 about fork and threads
        from agentgauge import Client
        from agentgauge.testing import MemoryTransport

        transport = MemoryTransport()
        client = Client(transport=transport, flush_interval=3600)
        client.event("of the parent, sent")
        client.flush(5)
        client.event("of the parent, queued")
        with client.span("around") as span:
            child = os.fork()
            if child == 0:
                transport.clear()
                client.event("of the child")
                client.flush(5)
            else:
                os.waitpid(child, 0)
        client.close()
        print(json.dumps({
            "child": child == 0,
            "blocks": [[s.headers.producer, s.headers.seq, s.block.resource.process == os.getpid(),
                        s.block.final, [e.name for e in s.block.events]] for s in transport.blocks],
            "ids": client.ids.trace_id(),
        }), flush=True)
        """
    )
    assert (run.code, run.err) == (0, "")
    child, parent = sorted(map(json.loads, run.out.splitlines()), key=lambda line: not line["child"])
    assert {block[0] for block in child["blocks"]}.isdisjoint(block[0] for block in parent["blocks"])
    assert [block[1:] for block in child["blocks"]] == [
        [0, True, False, ["of the child"]],
        [1, True, True, ["around"]],
    ]
    assert [block[1:] for block in parent["blocks"]] == [
        [0, True, False, ["of the parent, sent"]],
        [1, True, True, ["of the parent, queued", "around"]],
    ]
    assert child["ids"] != parent["ids"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing_deliver_at_their_end(method: str, tmp_path: Path) -> None:
    """They end without `atexit`."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, warnings
            import agentgauge

            def work(number):
                client = agentgauge.init("console:")
                client.event(f"of process {{number}}")

            if __name__ == "__main__":
                warnings.simplefilter("ignore", DeprecationWarning)
                context = multiprocessing.get_context("{method}")
                processes = [context.Process(target=work, args=(number,)) for number in range(2)]
                for process in processes:
                    process.start()
                for process in processes:
                    process.join()
            """
        )
    )
    run = Run(program)
    assert run.code == 0
    assert sorted(json.loads(line)["name"] for line in run.err.splitlines()) == [
        "of process 0",
        "of process 1",
    ]
