"""Tests of types: mypy and pyright check these modules, which are never run."""
