"""The delivery account against a model that remembers every single sequence."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentgauge_schemas.account import MAX_OPEN_RANGES, SILENT_AFTER_US, Account, service_key

RANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6)), max_size=300)
"""(first sequence, count): with repeats, overlaps and gaps, and often more than 64 gaps at once."""


class EverySequence:
    """The same rules on plain sets: slow, obvious."""

    def __init__(self, *, repeatable: bool) -> None:
        self.repeatable = repeatable
        self.arrived: set[int] = set()
        self.given_up: set[int] = set()
        self.next = 0

    def accept(self, seq: int, count: int) -> set[int]:
        new = set(range(seq, seq + count)) - self.arrived - self.given_up
        self.arrived |= new
        self.next = max(self.next, seq + count)
        while len(self.open()) > MAX_OPEN_RANGES and not self.repeatable:
            self.given_up |= set(range(*self.open()[0]))
        return new

    def open(self) -> list[tuple[int, int]]:
        missing = [n for n in range(self.next) if n not in self.arrived and n not in self.given_up]
        starts = [n for n in missing if n - 1 not in missing]
        stops = [n + 1 for n in missing if n + 1 not in missing]
        return list(zip(starts, stops, strict=True))


@settings(deadline=None)
@given(RANGES, st.booleans())
def test_an_account_agrees_with_a_set_of_all_sequences(sent: list[tuple[int, int]], repeatable: bool) -> None:
    account = Account(producer="p", partition=0, repeatable=repeatable)
    model = EverySequence(repeatable=repeatable)
    for seq, count in sent:
        new = account.accept(seq, count)
        numbers = [number for low, high in new for number in range(low, high)]
        assert len(numbers) == len(set(numbers)), "one sequence was called new twice"
        assert set(numbers) == model.accept(seq, count)
        assert account.open == model.open()
    assert account.next == model.next
    assert account.accepted == len(model.arrived)
    assert account.lost == len(model.given_up)
    assert account.accepted + account.duplicates == sum(count for _, count in sent)
    gaps = sum(stop - start for start, stop in account.open)
    assert account.missing == (0 if repeatable else gaps)
    assert account.accepted + gaps + account.lost == account.next


def test_what_comes_again_is_a_duplicate_and_what_comes_late_closes_its_gap() -> None:
    account = Account(producer="p", partition=0)
    assert account.accept(0, 10) == [(0, 10)]
    assert account.accept(20, 5) == [(20, 25)]
    assert (account.missing, account.open) == (10, [(10, 20)])
    assert account.accept(0, 10) == []
    assert account.accept(8, 5) == [(10, 13)]
    assert account.accept(15, 2) == [(15, 17)]
    assert account.open == [(13, 15), (17, 20)]
    assert account.accept(12, 10) == [(13, 15), (17, 20)]
    assert (account.accepted, account.duplicates, account.missing, account.lost) == (25, 17, 0, 0)


def test_a_heartbeat_shows_what_was_sent_before_it_and_did_not_arrive() -> None:
    account = Account(producer="p", partition=0)
    assert account.accept(7, 0) == []
    assert (account.next, account.missing, account.duplicates) == (7, 7, 0)


def gaps(count: int, *, repeatable: bool = False) -> Account:
    """Every second sequence arrives: gaps of one at 0, 2, 4 ..."""
    account = Account(producer="p", partition=0, repeatable=repeatable)
    for number in range(count):
        account.accept(2 * number + 1, 1)
    return account


def test_beyond_64_open_ranges_the_oldest_is_given_up() -> None:
    assert gaps(MAX_OPEN_RANGES).lost == 0
    account = gaps(MAX_OPEN_RANGES + 3)
    assert (account.lost, len(account.open), account.open[0]) == (3, MAX_OPEN_RANGES, (6, 7))
    # What was given up stays given up, also when it comes after all.
    assert account.accept(0, 1) == []
    assert (account.lost, account.duplicates) == (3, 1)


def test_a_repeatable_account_keeps_every_gap_and_loses_nothing() -> None:
    account = gaps(10 * MAX_OPEN_RANGES, repeatable=True)
    assert (account.lost, account.missing, len(account.open)) == (0, 0, 10 * MAX_OPEN_RANGES)
    assert account.accept(0, 1) == [(0, 1)]


def test_silence_without_a_final_block_is_an_end_that_was_not_said() -> None:
    account = Account(producer="p", partition=0, last_seen_us=1_000)
    assert not account.ended_silently(1_000 + SILENT_AFTER_US)
    assert account.ended_silently(1_001 + SILENT_AFTER_US)
    account.final = True
    assert not account.ended_silently(1_001 + SILENT_AFTER_US)
    account.final, account.repeatable = False, True
    assert not account.ended_silently(1_001 + SILENT_AFTER_US)


def test_each_source_partition_has_its_own_totals_of_a_service() -> None:
    assert len({service_key("a", "b", 0), service_key("a", "b", 1), service_key("b", "a", 0)}) == 3
