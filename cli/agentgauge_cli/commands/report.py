"""`agentgauge report`: all that was counted."""

import time

from agentgauge_cli.settings import DEFAULT_DATA_DIR, DataDirOption, JsonOption, StorageOption, storage_url


def report(
    storage: StorageOption = None, data_dir: DataDirOption = DEFAULT_DATA_DIR, json: JsonOption = False
) -> None:
    """Print what was counted: calls, errors, latency, tokens and cost, and what was lost.

    Costs are exact; p50 and p95 are within 1.1 %.
    """
    from agentgauge_cli.rendering import print_json, waiting
    from agentgauge_cli.report_view import print_report
    from agentgauge_sinks.storage.report import build_report

    with waiting("Reading ..."):
        found = build_report(storage_url(storage, data_dir), time.time_ns() // 1_000)
    if json:
        print_json(found)
    else:
        print_report(found)
