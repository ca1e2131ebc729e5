"""Accounts of producers as reduce keeps, publishes and folds them; where refused records go."""

import hashlib

import msgspec
import pytest
from tests.support.reducing import SECOND, Reducing
from tests.support.simulation import EPOCH_US, block

from agentgauge_processors.engine.contract import StateError
from agentgauge_processors.reduce.accounts import FOLD_AFTER_US, MAX_DROP_REASONS
from agentgauge_schemas import BlockHeaders, Event, Resource, Topic
from agentgauge_schemas.block import encode_block
from agentgauge_schemas.dlq import KEPT_BYTES, MAX_VALUE_BYTES
from agentgauge_schemas.results import version_of

SHOP = Resource(project="shop", service="checkout", host="h1")
DAY_S = 86_400
OLD_S = FOLD_AFTER_US / SECOND + 1


def event(**fields: object) -> Event:
    standard = {"kind": "span", "operation": "execute_tool", "tool": "t", "agent": "a", "time_us": EPOCH_US}
    return msgspec.convert({**standard, **fields}, Event)


def raw(producer: str, seq: int, *events: bytes) -> tuple[list[tuple[str, bytes]], bytes]:
    headers = BlockHeaders(producer=producer, partition=0, seq=seq, count=len(events)).encode()
    return headers, encode_block(SHOP, events)


GOOD, BAD = b'{"kind":"log","time_us":7}', b'{"kind":"log","time_us":-7}'


def days_pass(reducing: Reducing, seconds: float = OLD_S) -> None:
    """Another producer is heard at the end of them: the log's own time is what counts."""
    reducing.pass_time(seconds)
    reducing.send("clock", 0, [], repeatable=True)
    reducing.cut()


def published(reducing: Reducing) -> list[bytes | None]:
    """The keys of accounts that the next checkpoint publishes."""
    checkpoint = reducing.cut()
    outputs = checkpoint.outputs if checkpoint else ()
    return [message.key for message in outputs if message.topic is Topic.PRODUCERS]


def test_an_account_says_what_its_producer_said_last() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()] * 3, resource=SHOP, queue_depth=7, dropped={"full": 2})
    reducing.pass_time(5)
    reducing.send("p", 3, [event()], resource=SHOP, queue_depth=4, dropped={"full": 5, "closed": 1})
    reducing.cut(last=True)
    account = reducing.account("p")
    assert (account.project, account.service, account.host) == ("shop", "checkout", "h1")
    assert (account.accepted, account.next, account.queue_depth) == (4, 4, 4)
    assert account.dropped == {"full": 5, "closed": 1}
    assert (account.first_seen_us, account.last_seen_us) == (EPOCH_US, EPOCH_US + 5 * SECOND)
    assert account.version == 1


def test_a_block_that_comes_late_takes_nothing_back() -> None:
    reducing = Reducing()
    reducing.send("p", 5, [event()], queue_depth=0, dropped={"full": 9}, final=True)
    reducing.send("p", 0, [event()] * 5, queue_depth=44, dropped={"full": 3})
    reducing.cut(last=True)
    account = reducing.account("p")
    assert (account.accepted, account.missing) == (6, 0)
    assert (account.queue_depth, account.dropped, account.final) == (0, {"full": 9}, True)


def test_a_producer_is_published_when_it_begins_and_ends_and_else_every_10_s() -> None:
    reducing = Reducing()
    found = []
    for second in range(24):
        reducing.send("p", second, [event()], final=second == 15)
        if published(reducing):
            found.append(second)
        reducing.pass_time(1)
    # begin; 10 s after the first change since; the end, and that it was none; 10 s after that
    assert found == [0, 11, 15, 16]


def test_what_has_not_changed_is_not_published_again() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    assert published(reducing) == [b"p"]
    reducing.pass_time(100)
    assert published(reducing) == []


def test_a_rejected_event_is_not_a_lost_one() -> None:
    reducing = Reducing()
    reducing.receive(*raw("p", 0, GOOD, BAD, GOOD))
    reducing.receive(*raw("p", 5, GOOD))
    reducing.cut(last=True)
    account = reducing.account("p")
    assert (account.accepted, account.rejected, account.missing, account.lost) == (3, 1, 2, 0)


def test_a_rejected_event_that_comes_again_is_one_letter_and_a_duplicate() -> None:
    reducing = Reducing()
    for _ in range(2):
        reducing.receive(*raw("p", 0, GOOD, BAD))
    reducing.cut(last=True)
    assert len(reducing.letters()) == 1
    account = reducing.account("p")
    assert (account.accepted, account.rejected, account.duplicates) == (1, 1, 2)


def test_the_letter_of_an_event_holds_a_block_that_can_be_sent_again() -> None:
    reducing = Reducing()
    reducing.receive(*raw("p", 10, GOOD, GOOD, BAD))
    reducing.cut()
    (letter,) = reducing.letters()
    assert (letter.kind, letter.reason, letter.producer, letter.seq, letter.count) == (
        "event", "invalid_event", "p", 12, 1,
    )  # fmt: skip
    assert letter.value == encode_block(SHOP, [BAD])
    assert BlockHeaders.decode(letter.origin_headers) == BlockHeaders("p", 0, 12, 1)
    assert (letter.partition, letter.offset, letter.time_us) == (0, 0, EPOCH_US)
    assert "$.time_us" in letter.error


def test_of_a_block_only_the_events_that_are_new_get_letters() -> None:
    reducing = Reducing()
    reducing.receive(*raw("p", 0, BAD, BAD))
    reducing.receive(*raw("p", 1, BAD, BAD, GOOD))
    reducing.cut()
    assert [letter.seq for letter in reducing.letters()] == [0, 1, 2]


def test_the_letter_of_a_block_holds_it_as_it_came() -> None:
    reducing = Reducing()
    headers = [*BlockHeaders("p", 0, 0, 3).encode(), ("traceparent", b"00-1")]
    reducing.receive(headers, b'{"events":[')
    reducing.cut(last=True)
    (letter,) = reducing.letters()
    assert (letter.kind, letter.reason, letter.seq, letter.count) == ("block", "undecodable", 0, 3)
    assert letter.value == b'{"events":['
    assert letter.origin_headers == tuple(headers)
    account = reducing.account("p")
    assert (account.rejected, account.accepted, account.next) == (3, 0, 3)


def test_a_value_above_4_mb_is_cut_in_its_letter() -> None:
    reducing = Reducing()
    value = b'{"events":[' + b" " * MAX_VALUE_BYTES
    reducing.receive(BlockHeaders("p", 0, 0, 1).encode(), value)
    reducing.cut()
    (letter,) = reducing.letters()
    assert letter.value == value[:KEPT_BYTES]
    assert (letter.size, letter.sha256) == (len(value), hashlib.sha256(value).hexdigest())


def test_letters_do_not_grow_with_the_resource_of_their_block() -> None:
    reducing = Reducing()
    headers = BlockHeaders("p", 0, 0, 100).encode()
    reducing.receive(headers, encode_block(Resource(project="x" * 100_000), [BAD] * 100))
    checkpoint = reducing.cut()
    assert checkpoint is not None
    assert sum(len(message.value or b"") for message in checkpoint.outputs) < 200_000


def test_foreign_records_are_counted_in_an_account_of_nobody() -> None:
    reducing = Reducing()
    reducing.receive([("content-type", b"text/plain")], b"hello")
    reducing.receive([], None)
    reducing.cut(last=True)
    account = reducing.account("foreign:0")
    assert (account.rejected, account.accepted, account.missing) == (2, 0, 0)
    assert [letter.reason for letter in reducing.letters()] == ["foreign", "foreign"]
    assert not account.ended_silently(EPOCH_US + 10 * DAY_S * SECOND)


def test_of_the_names_that_a_producer_makes_up_64_are_kept() -> None:
    reducing = Reducing()
    dropped = {f"{number:03}" + "x" * 5_000: 1 for number in range(200)}
    reducing.send("p", 0, [event()], dropped=dropped, resource=Resource(project="y" * 5_000))
    reducing.cut(last=True)
    account = reducing.account("p")
    assert len(account.dropped) == MAX_DROP_REASONS + 1
    assert account.dropped["other"] == 1
    assert max(map(len, account.dropped)) == len(account.project) == 256


def test_an_account_is_folded_into_its_service_when_nothing_can_come_of_it_any_more() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()] * 3, resource=SHOP, dropped={"full": 2})
    reducing.send("p", 5, [event()], resource=SHOP, final=True)
    reducing.pass_time(5)
    reducing.send("q", 0, [event()] * 2, resource=SHOP, dropped={"full": 1})
    days_pass(reducing, OLD_S - 4)
    assert [message.key for message in reducing.outputs if message.value is None] == [b"p"]
    days_pass(reducing, 5)
    assert [message.key for message in reducing.outputs if message.value is None] == [b"p", b"q"]
    first, second = reducing.services()
    assert (first.folded, first.producers, first.accepted, first.lost) == (["p"], 1, 4, 2)
    assert (second.folded, second.producers, second.accepted, second.lost) == (["q"], 2, 6, 2)
    assert (first.dropped, second.dropped) == ({"full": 2}, {"full": 3})
    reducing.pass_time(100)
    assert b"service:0:shop/checkout" not in published(reducing)


def test_after_an_outage_of_days_nobody_is_folded_whose_blocks_wait_to_be_read() -> None:
    """Nor by a worker whose clock is wrong: then all that was ever accepted would count as missing."""
    reducing = Reducing()
    reducing.send("p", 0, [event()] * 100, resource=SHOP)
    reducing.cut()
    reducing.crash()
    reducing.pass_time(2 * OLD_S)
    reducing.cut()
    assert reducing.services() == []
    reducing.now_us -= int(OLD_S * SECOND)  # the record came in the meantime
    reducing.send("p", 100, [event()], resource=SHOP)
    reducing.cut(last=True)
    account = reducing.account("p")
    assert (account.accepted, account.missing) == (101, 0)


def test_every_version_of_a_service_s_totals_is_higher_than_the_last() -> None:
    """Readers keep the highest: of accounts that are folded at once, the newest may come first."""
    reducing = Reducing()
    for number in range(5):
        reducing.send(f"p{number}", 0, [event()], resource=SHOP)
    reducing.send("p0", 1, [event()], resource=SHOP)
    days_pass(reducing)
    versions = [totals.version for totals in reducing.services()]
    assert len(versions) == 5
    assert versions == sorted(set(versions))
    assert reducing.services()[-1].accepted == 6


def test_a_repeatable_account_is_never_folded() -> None:
    reducing = Reducing()
    reducing.send("import", 0, [event()], repeatable=True)
    days_pass(reducing, 100 * DAY_S)
    assert reducing.services() == []
    reducing.send("import", 0, [event()], repeatable=True)
    reducing.cut(last=True)
    account = reducing.account("import")
    assert (account.accepted, account.duplicates) == (1, 1)


def test_folded_totals_and_accounts_survive_a_crash() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()], resource=SHOP)
    days_pass(reducing)
    reducing.send("q", 0, [event()], resource=SHOP)
    reducing.cut()
    reducing.crash()
    reducing.send("q", 0, [event()] * 2, resource=SHOP)
    days_pass(reducing)
    totals = reducing.services()[-1]
    assert (totals.producers, totals.accepted, totals.duplicates) == (2, 3, 1)


def test_after_a_takeover_every_account_is_published_once() -> None:
    """What was due when the last owner died is not part of the state."""
    reducing = Reducing()
    for name in ("p", "q"):
        reducing.send(name, 0, [event()])
    reducing.cut()
    reducing.crash()
    assert sorted(key or b"" for key in published(reducing)) == [b"p", b"q"]
    assert published(reducing) == []


def test_a_checkpoint_with_a_part_missing_or_spoilt_is_refused() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()], resource=SHOP)
    days_pass(reducing)
    reducing.send("q", 0, [event()])
    reducing.cut()
    assert {b"head", b"services"} < set(reducing.state)
    for key in reducing.state:
        for spoilt in (None, b"\xc1"):
            state = {name: value for name, value in reducing.state.items() if name != key}
            if spoilt is not None:
                state[key] = spoilt
            with pytest.raises(StateError):
                Reducing(state=state)


def test_a_checkpoint_for_another_number_of_merge_partitions_is_refused() -> None:
    reducing = Reducing(merge_partitions=2)
    reducing.send("p", 0, [event()])
    reducing.cut()
    Reducing(merge_partitions=2, state=reducing.state)
    with pytest.raises(StateError, match="made for 2 merge partitions"):
        Reducing(merge_partitions=3, state=reducing.state)


def test_in_a_new_log_accounts_go_on_and_versions_rise() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()] * 2)
    reducing.cut()
    reducing.stage.restart(0)
    assert reducing.stage.next(0) == 0
    reducing.log.clear()
    reducing.receive(*block("p", 0, [event()] * 3))
    reducing.cut(last=True)
    account = reducing.account("p")
    assert (account.accepted, account.duplicates) == (3, 2)
    assert account.version == version_of(1, 0)
