"""The contract of a store, as tests that any store can run.

Write a subclass whose name begins with ``Test``, in a test module of your own::

    import pytest
    from bennu.testing.store_contract import StoreContract
    from mystore import MyStore

    class TestMyStore(StoreContract):
        @pytest.fixture(autouse=True)
        def data(self, tmp_path):
            self.address = start_my_database(tmp_path)

        def store(self):
            return MyStore(self.address)

Each test makes stores, which stand for nodes of an application. It starts and stops the stores. If your store can lose
data, override :meth:`~bennu.testing.contract_store.StoreHooks.restart` and
:meth:`~bennu.testing.contract_store.StoreHooks.lose_newest`. For readable failures, call
``pytest.register_assert_rewrite("bennu.testing")`` in ``conftest.py``, before the import.

The tests wait for states, and fail after ``patience`` seconds. They use real time, and no plugin of pytest.
"""

from __future__ import annotations

from .contract_keys import KeyTests
from .contract_logs import LogTests
from .contract_races import RaceTests

__all__ = ["StoreContract"]


class StoreContract(LogTests, RaceTests, KeyTests):
    """The tests. A subclass says how a store is made.

    Attributes:
        patience: Seconds after which a test fails.
        brief: Seconds for which a claim is kept that a test lets expire.
        largest: Bytes of the largest payload and value that the tests use.
        too_large: Bytes of a payload that the store refuses with an ``EncodeError``; None if there is no limit.
        has_gaps: Whether offsets of one topic can have gaps, and ``prev`` can be ``UNKNOWN``.
    """
