"""Hostile bytes, by the million, for everything that reads what strangers send.

- ``targets``: what is fed, and what must hold of the outcome;
- ``mutate``: how inputs are made, from those in ``corpus/<target>`` and from each other;
- ``engine``: the loop, and what it finds;
- ``corpus/<target>``: real inputs, and past findings, each a small file.

``scripts/fuzz`` runs it for as long as one likes. It is not coverage-guided: what is worth keeping is told
by what became of an input, which error with which words, or which shape of result. Our decoders are small
and say precisely what is wrong, so that is nearly as good, runs on every Python, and costs nothing.
"""
