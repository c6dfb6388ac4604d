"""A chat with rooms: channels on the server, the stock Phoenix client in the page.

Read the modules in this order: :mod:`~bennu_demos.chat.app`, :mod:`~bennu_demos.chat.channels`,
:mod:`~bennu_demos.chat.presence`, :mod:`~bennu_demos.chat.wire`, :mod:`~bennu_demos.chat.store`.
"""
