"""The marker of these tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fuzz: any input at all; FUZZ_EXAMPLES says how much of it")
