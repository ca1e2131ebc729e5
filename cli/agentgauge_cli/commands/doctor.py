"""`agentgauge doctor`: what is wrong, and the cure."""

import asyncio

import typer

from agentgauge_cli.settings import (
    DEFAULT_DATA_DIR,
    DEFAULT_KAFKA,
    DEFAULT_PREFIX,
    DataDirOption,
    JsonOption,
    KafkaOption,
    PrefixOption,
    StorageOption,
    storage_url,
)


def doctor(
    storage: StorageOption = None,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    json: JsonOption = False,
) -> None:
    """Check broker, topics, workers and their lag, storage, clock and disk. Exit code 1 when one fails."""
    from agentgauge_cli.doctor.examine import examine
    from agentgauge_cli.doctor.view import print_checks
    from agentgauge_cli.rendering import print_json, waiting

    with waiting("Looking at everything ..."):
        checks = asyncio.run(examine(kafka, prefix, data_dir, storage_url(storage, data_dir)))
    if json:
        print_json({"ok": all(check.state != "fail" for check in checks), "checks": checks})
    else:
        print_checks(checks)
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)
