"""A chat with rooms: channels on the server, the stock Phoenix client in the page.

Read the modules in this order: :mod:`~examples.chat.app`, :mod:`~examples.chat.channels`,
:mod:`~examples.chat.presence`, :mod:`~examples.chat.wire`, :mod:`~examples.chat.store`.
"""
