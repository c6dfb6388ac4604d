"""Settings of the property tests, and JSON values as a client can send them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings, strategies as st

__all__ = ["json_objects", "json_values", "property_test", "refs", "texts"]

property_test = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test depends on the speed of the machine."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Text without lone surrogates, which have no UTF-8 form."""

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)

json_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

json_objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(texts, json_values, max_size=4)

refs: st.SearchStrategy[Any] = st.none() | texts | st.integers(-(2**63), 2**63 - 1)
"""A ref: text or null from known clients, or an integer of 64 bits."""
