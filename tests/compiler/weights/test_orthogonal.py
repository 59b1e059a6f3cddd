"""Orthogonal matrices: orthonormal, Keras' signs and orientation, exact products."""

from __future__ import annotations

import numpy as np
import pytest

from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights import orthogonal
from archonnx.compiler.weights.initializers import from_call
from archonnx.compiler.weights.orthogonal import Split, orthonormal_rows, product, row_sums
from archonnx.contract.diagnostics import Place


def matrix(shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    initializer = from_call("Orthogonal", (), {"gain": gain})
    weight = Weight("rnn/recurrent_kernel", "float32", shape, initializer, True, Place("example.arch", 1, 1, 1, 2))
    return Draw(weight).whole(Evaluation(0)).astype(np.float64)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (7, 5), (33, 33), (64, 256), (256, 64), (100, 1)])
def test_the_shorter_sides_vectors_are_orthonormal(shape: tuple[int, int]) -> None:
    a = matrix(shape)
    gram = a @ a.T if shape[0] <= shape[1] else a.T @ a
    assert np.abs(gram - np.eye(min(shape))).max() < 1e-6


def test_axes_before_the_last_count_as_one() -> None:
    a = matrix((3, 3, 4, 8), gain=2.0).reshape(36, 8)
    assert np.abs(a.T @ a - 4 * np.eye(8)).max() < 1e-5


@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (31, 40), (70, 70), (96, 200), (32, 64), (65, 300), (200, 200)])
def test_the_result_is_q_with_a_positive_diagonal_of_r(rows: int, columns: int) -> None:
    a = np.random.default_rng(0).standard_normal((rows, columns))
    q, r = np.linalg.qr(a.T)
    expected = (q * np.sign(np.diag(r))).T
    assert np.abs(orthonormal_rows(a.copy()) - expected).max() < 1e-9


@pytest.mark.parametrize(("rows", "columns", "passes"), [(70, 280, 1), (150, 150, 2)])
def test_rows_of_which_little_is_left_go_through_a_second_pass(
    rows: int, columns: int, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []
    one = orthogonal._pass
    monkeypatch.setattr(orthogonal, "_pass", lambda a: left.append(one(a)) or left[-1])
    a = orthonormal_rows(np.random.default_rng(2).standard_normal((rows, columns)))
    assert len(left) == passes
    assert (left[0].min() < orthogonal.SHRUNK) == (passes == 2)
    assert np.abs(a @ a.T - np.eye(rows)).max() < 1e-10


def test_what_is_left_of_a_row_is_its_distance_from_those_before() -> None:
    a = np.random.default_rng(3).standard_normal((90, 100))
    orthogonal.normalise(a)
    expected = np.abs(np.diag(np.linalg.qr(a.T)[1]))
    assert np.allclose(orthogonal._pass(a), expected, rtol=1e-7)


def test_orthogonal_matrices_have_no_preferred_direction() -> None:
    a = matrix((300, 300))
    assert abs(np.trace(a)) < 5
    assert abs(a.mean()) < 3 / 300
    assert a.std() == pytest.approx(1 / np.sqrt(300), rel=0.01)


def test_products_are_exact_to_forty_bits_whatever_the_order() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1, 1, (6, 9000)), rng.uniform(-1, 1, (5, 9000))
    ours = product(Split.of(a), Split.of(b), transposed=True)
    assert np.abs(ours - a @ b.T).max() < 1e-8
    order = rng.permutation(4096)
    a, b = a[:, :4096], b[:, :4096]
    shuffled = product(Split.of(a[:, order]), Split.of(b[:, order]), transposed=True)
    assert np.array_equal(product(Split.of(a), Split.of(b), transposed=True), shuffled)


def test_row_sums_add_everything_once() -> None:
    for width in (1, 2, 3, 7, 8, 1000):
        a = np.arange(2.0 * width).reshape(2, width)
        assert row_sums(a).tolist() == a.sum(axis=1).tolist()
