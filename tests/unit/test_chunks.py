"""Packing files into requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.core.diff import Line
from loom.engine.chunks import file_cost, halve, pack
from loom.engine.view import FileView, HunkView


def cost(text: str) -> int:
    return len(text) // 4 + 1


def view(path: str, *sizes: int) -> FileView:
    hunks = tuple(
        HunkView(f"{path}#{n}", "", tuple(Line("+", "x" * 40, None, k) for k in range(1, size + 1)))
        for n, size in enumerate(sizes, 1)
    )
    return FileView(path, None, "modified", hunks)


def lines_of(chunks: list[tuple[FileView, ...]]) -> list[tuple[str, str, int]]:
    return sorted((f.path, h.id.split("#")[1].split(".")[0], len(h.lines)) for c in chunks for f in c for h in f.hunks)


def test_thirty_small_files_are_one_request() -> None:
    assert len(pack([view(f"src/f{n}.py", 20) for n in range(30)], budget=24_000, cost=cost)) == 1


files = st.lists(
    st.tuples(st.text(alphabet="abc/", min_size=1, max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=4)),
    max_size=12,
    unique_by=lambda f: f[0],
)


@given(files, st.integers(60, 900))
def test_every_line_is_asked_about_once_and_chunks_fit(shapes: list[tuple[str, list[int]]], budget: int) -> None:
    views = [view(path, *sizes) for path, sizes in shapes]
    chunks = pack(views, budget=budget, cost=cost)
    asked = [line for c in chunks for f in c for h in f.hunks for line in ((f.path, x) for x in h.lines)]
    assert len(asked) == sum(sum(sizes) for _, sizes in shapes)
    ids = [h.id for c in chunks for f in c for h in f.hunks]
    assert len(ids) == len(set(ids))
    for chunk in chunks:
        single_line = sum(len(h.lines) for f in chunk for h in f.hunks) == 1
        assert single_line or sum(file_cost(f, cost) for f in chunk) <= budget


def test_editing_one_file_leaves_the_other_chunks_as_they_were() -> None:
    views = [view(f"src/m{n // 5}/f{n}.py", 30) for n in range(40)]
    before = pack(views, budget=2_500, cost=cost)
    views[17] = view("src/m3/f17.py", 36)
    after = pack(views, budget=2_500, cost=cost)
    assert len(before) > 5
    assert len(set(before) - set(after)) == 1
    assert len(set(after) - set(before)) == 1


def test_a_chunk_that_proved_too_large_is_halved_by_hunks() -> None:
    halves = halve((view("a.py", 3, 4), view("b.py", 5)))
    assert halves is not None
    assert lines_of(list(halves)) == [("a.py", "1", 3), ("a.py", "2", 4), ("b.py", "1", 5)]
    assert halve((view("a.py", 3),)) is None
