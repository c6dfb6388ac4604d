"""Applications on Bennu, each a package to read and to copy: ``bennu demo`` lists and runs them.

A demo imports nothing of another demo. All of them use :mod:`~bennu_demos.page`, :mod:`~bennu_demos.data`, and the folder
``design``: the colours, the parts and the small scripts that their pages share.
"""
