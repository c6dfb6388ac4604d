"""Contracts: what an endpoint offers to clients, read from the classes and types that validate its messages.

A :class:`Contract` is data. It is read from an endpoint (:func:`contract_of`), and written as a table, as an AsyncAPI document,
as types for TypeScript and Python, and as pages for developers. Two documents compare (:func:`compare`).
"""

from .asyncapi import asyncapi
from .diff import ContractChange, compare
from .model import Contract
from .pages import ContractPages
from .python_module import python_types
from .reading import contract_of
from .rules import ContractRule
from .table import listing, topic_table
from .typescript import typescript_types

__all__ = [
    "Contract",
    "ContractChange",
    "ContractPages",
    "ContractRule",
    "asyncapi",
    "compare",
    "contract_of",
    "listing",
    "python_types",
    "topic_table",
    "typescript_types",
]
