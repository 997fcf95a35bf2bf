"""Turns of tenants: by cost, without credit for idling, in bounded memory."""

from __future__ import annotations

import collections
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.sampling.fairness import FairQueue

Item = collections.namedtuple("Item", ["tenant", "cost", "number"], defaults=[0])


def queue_of(*items: Item) -> FairQueue[Item]:
    queue: FairQueue[Item] = FairQueue(lambda item: item.tenant, lambda item: item.cost)
    for item in items:
        queue.push(item)
    return queue


def drain(queue: FairQueue[Item]) -> list[Item]:
    return list(iter(queue.pop, None))


def served(queue: FairQueue[Item]) -> str:
    return "".join(item.tenant for item in drain(queue))


def test_one_tenant_is_served_in_the_order_of_arrival():
    items = [Item("a", cost, number) for number, cost in enumerate([5, 1, 3, 1])]
    assert drain(queue_of(*items)) == items


def test_equal_tenants_take_turns_however_much_one_of_them_asks_for():
    crowd = [Item("a", 1)] * 6
    assert served(queue_of(*crowd, Item("b", 1), Item("b", 1), Item("c", 1))) == "abcabaaaa"


def test_order_is_by_cost_and_not_by_number():
    order = served(queue_of(*[Item("a", 4)] * 3, *[Item("b", 1)] * 12))
    # For every item of a, four of b, but for the one that is under way.
    assert order[:10].count("a") == 2
    for end in range(1, 15):
        assert abs(4 * order[:end].count("a") - order[:end].count("b")) <= 4 + 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=60))
def test_nothing_is_lost_and_no_waiting_tenant_falls_behind(wanted):
    items = [Item(tenant, cost, number) for number, (tenant, cost) in enumerate(wanted)]
    queue = queue_of(*items)
    left = collections.Counter(item.tenant for item in items)
    given_to = collections.Counter()
    order = []
    while (item := queue.pop()) is not None:
        order.append(item)
        given_to[item.tenant] += item.cost
        left[item.tenant] -= 1
        waiting = [tenant for tenant in left if left[tenant]]
        # Start-time fair queueing: two tenants that both wait differ by no more than an item of each.
        assert all(abs(given_to[one] - given_to[other]) <= 18 for one in waiting for other in waiting)
    assert sorted(order, key=lambda item: item.number) == items
    assert not queue


def test_tenant_that_comes_back_has_no_credit_for_its_absence():
    queue = queue_of(Item("a", 1), *[Item("b", 1)] * 40)
    assert [queue.pop().tenant for _ in range(31)].count("b") == 30
    for _ in range(10):
        queue.push(Item("a", 1))
    # With credit for the turns it was away, it would be served ten times in a row.
    assert served(queue)[:10].count("a") <= 6


def test_tenant_that_was_served_a_moment_ago_waits_for_its_turn():
    queue = queue_of(Item("a", 100), Item("b", 1), Item("b", 1))
    assert queue.pop().tenant == "a"
    queue.push(Item("a", 100))
    assert served(queue) == "bba"


def test_what_does_not_fit_is_passed_over_and_keeps_its_turn():
    queue = queue_of(Item("a", 9), Item("a", 1), Item("b", 2), Item("c", 3))
    assert queue.pop(lambda item: item.cost <= 3) == Item("b", 2)
    assert queue.pop(lambda item: item.cost <= 3) == Item("c", 3)
    # Only the first item of a tenant is looked at: its own order is kept.
    assert queue.pop(lambda item: item.cost <= 3) is None
    assert queue
    assert queue.pop() == Item("a", 9)
    assert queue.pop(lambda item: item.cost <= 3) == Item("a", 1)


def test_empty_queue_is_false_and_gives_nothing():
    queue = queue_of()
    assert not queue
    assert queue.pop() is None
    queue.push(Item("a", 1))
    assert queue


def test_what_is_passed_over_waits_like_any_other():
    queue = queue_of(Item("heavy", 100), *[Item("a", 9)] * 50)
    assert queue.pop().tenant == "heavy"
    queue.push(Item("b", 1))
    assert queue.pop(lambda item: item.cost <= 3) == Item("b", 1)
    # While "a" waits, the present has not moved on: who comes now stands beside it and not behind it.
    queue.push(Item("c", 1))
    assert "c" in [queue.pop().tenant for _ in range(3)]


@pytest.mark.parametrize("resident", [False, True], ids=["idle between visits", "never idle"])
def test_tenants_that_have_gone_are_forgotten(resident):
    queue = queue_of(*[Item("resident", 3)] * 2 * resident)

    def visit(first: int, count: int) -> None:
        for number in range(first, first + count):
            queue.push(Item(f"ipv4:127.0.0.1:{number}", 3))
            assert queue.pop() is not None
            if resident:
                queue.push(Item("resident", 3))
                assert queue.pop() is not None

    visit(0, 3000)
    tracemalloc.start()
    visit(3000, 6000)
    grown, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A clock that is kept takes some 150 bytes with its name.
    assert grown < 200_000
