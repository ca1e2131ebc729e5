"""However a file grows between imports, each of its items is published once, and always the same."""

from collections.abc import Callable
from zipfile import ZipFile

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.collecting_publisher import CollectingPublisher
from tests.support.session_lines import Session, text, tool

from agentgauge_cli.demo_data import ARCHIVE
from agentgauge_cli.importers.publish import FileReport, Options, publish_session

NAMES = (
    "a313cd0e-0d44-4e47-8871-6fd3c82ee8bb.jsonl",
    "27ba647c-0ee8-45bf-8401-25548cbd65a9.jsonl",
    "1a5ad58d-fc80-420f-883e-66851e760614/subagents/agent-638ca79.jsonl",
    "0609c411-4e0a-4216-81e0-7a91923466ba/subagents/agent-f11bfc4.jsonl",
)


def import_(
    publisher: CollectingPublisher, data: bytes, name: str, *, still: bool, options: Options | None = None
) -> FileReport:
    return publish_session(
        publisher,
        [line for line in data.splitlines() if line],
        file=name,
        still=always(still),
        options=options or Options(),
        published=set(),
    )


def always(value: bool) -> Callable[[], bool]:
    return lambda: value


def recorded(name: str) -> bytes:
    with ZipFile(ARCHIVE) as archive:
        return archive.read(name)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.lists(st.floats(0, 1), max_size=6))
def test_any_growth_yields_each_item_once_and_the_same(name: str, cuts: list[float]) -> None:
    data = recorded(name)
    whole = CollectingPublisher()
    import_(whole, data, name, still=True)

    grown = CollectingPublisher()
    for cut in sorted(cuts):
        import_(grown, data[: int(cut * len(data))], name, still=False)
    import_(grown, data, name, still=True)

    assert {key: found.event for key, found in grown.events.items()} == {
        key: found.event for key, found in whole.events.items()
    }
    versions: dict[tuple[str, int], set[bytes]] = {}
    for producer, seq, event in grown.sent:
        versions.setdefault((producer, seq), set()).add(event)
    assert all(len(same) == 1 for same in versions.values())


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(NAMES), st.floats(0, 1))
def test_open_items_are_the_gaps_that_the_next_import_fills(name: str, cut: float) -> None:
    data = recorded(name)
    publisher = CollectingPublisher()
    report = import_(publisher, data[: int(cut * len(data))], name, still=False)
    published = {seq for _, seq in publisher.events}
    assert published | set(report.open) == set(range(len(published) + len(report.open)))
    assert not published & set(report.open)


def test_an_import_of_a_still_file_wins_over_a_later_one_of_its_longer_form() -> None:
    s = Session()
    short = [s.prompt(0, uuid="p"), s.answer(1, "m1", text("a"), parent="p", uuid="a", out=1)]
    longer = [*short, s.answer(9, "m1", text("b"), parent="a", out=2)]
    publisher = CollectingPublisher()
    import_(publisher, b"\n".join(short), "s1.jsonl", still=True)
    import_(publisher, b"\n".join(longer), "s1.jsonl", still=True)
    assert [found.event.output_tokens for found in publisher.events.values()] == [1]


def test_blocks_are_cut_at_gaps_and_hold_consecutive_sequences() -> None:
    s = Session()
    lines = [s.prompt(0, uuid="p")]
    for index in range(3):
        lines.append(s.answer(index + 1, f"m{index}", text("a"), parent="p"))
        lines.append(s.answer(index + 1, f"m{index}", tool(f"t{index}"), parent="p"))
    lines.append(s.result(9, "t0", parent=None))
    lines.append(s.result(9, "t2", parent=None))
    publisher = CollectingPublisher()
    report = import_(publisher, b"\n".join(lines), "s1.jsonl", still=False)
    assert report.open == [3, 4]
    assert [(seq, count) for _, seq, count, _ in publisher.blocks] == [(0, 3), (5, 1)]


def test_a_large_content_is_cut_and_says_so() -> None:
    s = Session()
    lines = [
        s.prompt(0, "\x01" * 300_000, uuid="p"),
        s.answer(1, "m1", text("é" * 300_000), parent="p"),
    ]
    publisher = CollectingPublisher()
    import_(publisher, b"\n".join(lines), "s1.jsonl", still=True)
    ((_, _, data),) = publisher.sent
    assert len(data) <= 256 * 1024
    assert publisher.events["claude-code:s1", 0].event.truncated


def test_what_another_file_held_already_is_left_out() -> None:
    s = Session()
    lines = [s.prompt(0, uuid="p"), s.answer(1, "m1", text("a"), parent="p")]
    resumed = [line.replace(b'"s1"', b'"s2"') for line in lines] + [s.answer(2, "m2", text("b"), parent="p")]
    publisher, published = CollectingPublisher(), set[str]()
    reports = [
        publish_session(
            publisher, file_lines, file=name, still=always(True), options=Options(), published=published
        )
        for name, file_lines in (("s1.jsonl", lines), ("s2.jsonl", resumed))
    ]
    assert sorted(found.event.span_id or "" for found in publisher.events.values()) == ["m1", "m2"]
    assert reports[1].skipped == {"copied": 1}


def test_the_project_is_the_folder_unless_it_is_named() -> None:
    data = Session().answer(1, "m1", text("a"), parent=None)
    for options, project in ((Options(), "shop"), (Options(project="mine"), "mine")):
        publisher = CollectingPublisher()
        import_(publisher, data, "s1.jsonl", still=True, options=options)
        (found,) = publisher.events.values()
        assert (found.resource.project, found.resource.release, found.backfill) == (project, "2.1.39", True)
