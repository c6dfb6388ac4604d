"""A multiplayer arena in the manner of Slither: the server plays 20 ticks a second, and the pages draw them.

Read the modules in this order: :mod:`~bennu_demos.game.world`, :mod:`~bennu_demos.game.frames`,
:mod:`~bennu_demos.game.areas`, :mod:`~bennu_demos.game.player`, :mod:`~bennu_demos.game.bots`,
:mod:`~bennu_demos.game.arena`, :mod:`~bennu_demos.game.channels`, :mod:`~bennu_demos.game.app`. The first five are pure.
"""
