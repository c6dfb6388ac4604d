"""Feeds millions of hostile inputs to each function that reads a stranger's bytes.

- ``targets``: the functions that are fed, and what must be true of the outcome;
- ``mutate``: makes inputs from those in ``corpus/<target>`` and from each other;
- ``engine``: the loop, and the findings;
- ``corpus/<target>``: real inputs and past findings, each a small file.

``scripts/fuzz`` runs it for any time. It is not coverage-guided: an input is kept if its outcome is new, which is an
error with other words, or another shape of result. Bennu's decoders are small and say precisely what is wrong. So
this is nearly as good as coverage, and it runs on every Python.
"""
