"""The gate: many at once, or one alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from archonnx.runtime.cuda.gate import Gate


def test_nobody_is_inside_beside_one_who_is_alone() -> None:
    gate, inside, wrong = Gate(), [], []

    def pass_through(turn: int) -> None:
        if turn % 7 == 0:
            with gate.alone():
                wrong.extend(inside)
                inside.append(turn)
                inside.remove(turn)
        else:
            with gate:
                inside.append(turn)
                inside.remove(turn)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pass_through, range(2000)))
    assert not wrong


def test_many_are_inside_together() -> None:
    gate, together = Gate(), threading.Barrier(3)

    def wait(_: int) -> None:
        with gate:
            together.wait(30)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(wait, range(3)))


def test_who_waits_to_be_alone_is_not_passed_by_those_who_come_later() -> None:
    gate, order = Gate(), []
    gate.__enter__()

    def alone() -> None:
        with gate.alone():
            order.append("alone")

    def later() -> None:
        with gate:
            order.append("later")

    first = threading.Thread(target=alone)
    first.start()
    while not gate._waiting:
        pass
    second = threading.Thread(target=later)
    second.start()
    gate.__exit__()
    first.join()
    second.join()
    assert order == ["alone", "later"]


def test_an_error_inside_opens_the_gate_again() -> None:
    gate = Gate()
    with pytest.raises(KeyError), gate.alone():
        raise KeyError
    with pytest.raises(KeyError), gate:
        raise KeyError
    with gate.alone():
        pass
