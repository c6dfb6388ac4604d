"""A chat with accounts, rooms and conversations: channels on the server, the stock Phoenix client in the page.

Read the modules in this order: ``app`` puts the parts together; ``login`` decides who may connect; ``room_channel`` and
``list_channels`` are the channels; ``wire`` has their payloads; ``chat``, ``accounts``, ``rooms``, ``messages`` and
``notifications`` do the work in the database, whose tables are in ``models``.
"""
