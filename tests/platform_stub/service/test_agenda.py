"""What is due when."""

from hypothesis import given
from hypothesis import strategies as st

from platform_stub.service.agenda import Agenda, Entry, What

ENTRIES = st.lists(st.builds(Entry, st.integers(0, 20), st.sampled_from(What), st.integers(1, 3)))


@given(ENTRIES, st.integers(0, 20))
def test_what_is_due_is_taken_in_its_order_and_once(entries, now_ms):
    agenda = Agenda()
    agenda.add(1, entries)
    due = sorted({entry for entry in entries if entry.due_ms <= now_ms})
    assert agenda.take(1, now_ms) == due
    assert agenda.take(1, now_ms) == []
    later = [entry.due_ms for entry in entries if entry.due_ms > now_ms]
    assert agenda.next_due(1) == min(later, default=None)
    assert (len(agenda), list(agenda.accounts())) == (len(later), [1] if later else [])


def test_a_start_comes_before_an_expiry_of_the_same_moment():
    agenda = Agenda()
    agenda.add(1, [Entry(5, What.EXPIRY, 1), Entry(5, What.START, 2)])
    assert [entry.what for entry in agenda.take(1, 5)] == [What.START, What.EXPIRY]


def test_accounts_have_clocks_of_their_own():
    agenda = Agenda()
    agenda.add(1, [Entry(5, What.EXPIRY, 1)])
    agenda.add(2, [Entry(4, What.EXPIRY, 2)])
    assert agenda.take(1, 4) == []
    assert agenda.take(2, 4) == [Entry(4, What.EXPIRY, 2)]
    assert agenda.next_due(3) is None
