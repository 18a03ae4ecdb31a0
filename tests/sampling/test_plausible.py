"""Stored tumours: quantiles by weight, the worth of weighted tumours, and what is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfire.errors import StorageError, UserError
from backfire.sampling import Plausible, PlausibleTumours, read_tumours, sealed, weighted_quantiles


def tumours(weights: np.ndarray, mixed: float = 1e9) -> PlausibleTumours:
    return PlausibleTumours(Path("somewhere"), ("a",), np.zeros((len(weights), 1)), weights / weights.sum(), mixed, {})


@given(some.lists(some.tuples(some.floats(-1e6, 1e6), some.integers(1, 5)), min_size=1, max_size=30))
def test_a_weight_counts_as_so_many_tumours(given_values: list[tuple[float, int]]) -> None:
    values, counts = (np.array(column) for column in zip(*given_values, strict=True))
    levels = (0.05, 0.25, 0.5, 0.95, 1.0)
    repeated = np.repeat(values, counts)
    wanted = np.quantile(repeated, levels, method="inverted_cdf")
    assert tumours(counts.astype(float)).quantiles(values, levels) == pytest.approx(wanted)


def test_what_never_comes_is_later_than_anything_and_what_is_not_there_does_not_count() -> None:
    found = tumours(np.ones(4)).quantiles(
        np.array([[1.0, np.nan], [np.inf, np.nan], [3.0, np.nan], [np.nan, np.nan]]), (0.5, 0.9)
    )
    assert found[:, 0].tolist() == [3.0, np.inf]
    assert np.isnan(found[:, 1]).all()


def test_a_quantile_never_has_a_value_without_weight() -> None:
    assert weighted_quantiles(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 0.5]), (0.05, 0.5, 0.95)).tolist() == [2, 2, 3]
    assert np.isnan(weighted_quantiles(np.array([np.nan]), np.ones(1), (0.5,))).all()


def test_a_folder_that_is_not_there_is_a_mistake_of_the_input(tmp_path: Path) -> None:
    stored(tmp_path / "wnt16b", [1.0])
    with pytest.raises(UserError, match=r"did you mean `.*wnt16b`") as caught:
        read_tumours(tmp_path / "wnt16")
    assert caught.value.exit_code == 2


def test_the_worth_of_weighted_tumours() -> None:
    assert tumours(np.ones(50), 400).effective == pytest.approx(50)
    assert tumours(np.ones(500), 400).effective == pytest.approx(400)
    half = np.concatenate([np.ones(250), np.zeros(250)])
    assert tumours(half, 400).effective == pytest.approx(200)


def stored(folder: Path, weights: list[float], **more: object) -> Path:
    about = {
        "inputs": ["a"], "found": True, "members": len(weights), "least_effective_size": 3.0, "name": "made", "scenario": {"name": "small", "hash": "0"}, "claims": {}, "seed": 0, "share_of_box": 0.5, **more,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    table = pyarrow.table({"a": np.arange(len(weights), dtype=float), "weight": weights})
    pyarrow.parquet.write_table(table, folder / "members.parquet")
    (folder / "manifest.json").write_text(sealed(about, (folder / "members.parquet").read_bytes()), encoding="utf-8")
    return folder


@given(some.data())
def test_no_bit_of_a_population_flips_unnoticed(data: some.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = stored(Path(place) / "made", [1.0, 2.0, 1.0])
        assert len(read_tumours(folder)) == 3
        file = folder / data.draw(some.sampled_from(["members.parquet", "manifest.json"]))
        content = bytearray(file.read_bytes())
        content[data.draw(some.integers(0, len(content) - 1))] ^= 1 << data.draw(some.integers(0, 7))
        file.write_bytes(content)
        with pytest.raises(StorageError, match="is no sound population"):
            read_tumours(folder)


def test_members_of_a_sweep_are_the_tumours(tmp_path: Path) -> None:
    design = Plausible.of(read_tumours(stored(tmp_path / "made", [1.0, 1.0, 1.0])))
    assert design.members == 3
    assert design.samples(1, 3).ravel().tolist() == [1.0, 2.0]
    assert Plausible.content(tmp_path / "made").splitlines() == ["a", "0.0", "1.0", "2.0"]
    with pytest.raises(UserError, match="have weights"):
        Plausible.of(read_tumours(stored(tmp_path / "made", [1.0, 2.0, 1.0])))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "is no population"),
        (lambda folder: (folder / "members.parquet").unlink(), "is no population"),
        (lambda folder: (folder / "members.parquet").write_bytes(b"PAR1nothing"), "is no sound population"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "is no sound population"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "an older version; sample it again"),
        (
            lambda folder: stored(folder.parent / "other", [2.0]).joinpath("members.parquet").replace(folder / "members.parquet"),
            "it was changed after it was written",
        ),
        (lambda folder: stored(folder, [1.0], members=2), "do not fit each other"),
        (lambda folder: stored(folder, [1.0], inputs=["b"]), "is no sound population"),
        (lambda folder: stored(folder, [float("nan")]), "do not fit each other"),
        (lambda folder: stored(folder, [-1.0, 2.0]), "no weights"),
        (lambda folder: stored(folder, [1e308, 1e308]), "no weights"),
        (lambda folder: stored(folder, [1.0], name="../../elsewhere"), "is no sound population"),
        (lambda folder: stored(folder, [1.0], found=False), "without tumours"),
    ],
)
def test_what_is_no_population_says_so(tmp_path: Path, spoil: object, said: str) -> None:
    folder = stored(tmp_path / "made", [1.0, 1.0])
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(StorageError, match=said):
        read_tumours(folder)
