"""Tests of the document demo."""
