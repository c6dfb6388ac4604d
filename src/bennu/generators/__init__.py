"""What ``bennu new`` and ``bennu gen`` write: projects, and parts of projects.

``templates/`` has real files under real names; only the name ``my_app`` is replaced. A project is made of layers of
them (:mod:`~bennu.generators.variants`), a part is some of the same files (:mod:`~bennu.generators.parts`). Nothing here
asks a user, and only :mod:`~bennu.generators.writing` writes. The commands are in ``cli/``.
"""
