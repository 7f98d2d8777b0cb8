"""What a file is by its name."""

from __future__ import annotations

import pytest

from loom.infra.file_kinds import in_tests, is_test

IN_TESTS = [
    "tests/a.py", "app/conftest.py", "src/jvmTest/a.kt", "Shop.UnitTests/a.cs", "Shop/UnitTest/a.cs", "t/lib-test.sh",
    "src/test/java/A.java", "pkg/testdata/a.go", "unit-tests/a.rb", "web/__tests__/a.ts", "spec/a_spec.rb", "a_test.go",
    "cart.spec.ts", "CartTests.cs", "test_cart.py", "fuzz/parse.go",
]  # fmt: skip
NOT = [
    "contest/a.py", "latest/a.py", "src/greatest/a.js", "attests/a.rb", "protest/x.py", "src/spectrum/a.c",
    "inspect.py", "request.ts", "Latest.java", "src/fixturesque/a.py",
]  # fmt: skip


@pytest.mark.parametrize("path", IN_TESTS)
def test_tests_are_known_by_their_folder_or_name(path: str) -> None:
    assert in_tests(path)


@pytest.mark.parametrize("path", NOT)
def test_words_that_hold_test_are_no_tests(path: str) -> None:
    assert not in_tests(path)


def test_what_merely_lies_among_tests_is_no_test_itself() -> None:
    assert not is_test("tests/data.py")
    assert is_test("tests/test_data.py")
