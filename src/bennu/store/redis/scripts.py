"""The scripts that Redis runs: each is one atomic step. Pure.

Theory of operation
-------------------
The log of a topic has four keys, in one slot of a cluster (:mod:`.names`):

==========  ========  ==================================================================================================
key         type      what is in it
==========  ========  ==================================================================================================
record      hash      ``e`` the epoch, ``s`` the newest offset, ``l`` the lineage
log         stream    the entries: the id is ``<offset>-0``, the field ``d`` has the bytes of the draft
ids         hash      the offset of each draft of the last two minutes, by the id of the draft
older ids   hash      the same for the two minutes before
==========  ========  ==================================================================================================

**Epochs.** Each script that needs the record begins with :data:`_OPEN`. If the record is missing, or has another lineage than
the server, all keys are deleted, and a new epoch begins. So a log whose record was evicted is deleted: its numbers would
come a second time. The caller brings the new epoch, because a script must not be random.

**Ids.** ``ids`` is renamed to ``older ids`` two minutes after it began, and both expire after four. So an id is kept for two
to four minutes, and no id needs a timer of its own.

**Age.** The time of an entry is in its bytes. The oldest entries are trimmed up to the first one that is young enough: before
each read, and by each 16th entry that is appended.

**Roles and memory.** The first line of a script says that it writes, so a replica refuses it, also if it would only read. A
server without memory refuses a script before it begins, unless its first line allows it: so an append happens wholly or not at
all. Reading goes on without memory.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

__all__ = ["APPEND", "CLAIM", "HEADS", "READ", "RELEASE", "RESET", "SETTLE", "RedisScript"]


class RedisScript:
    """A script.

    Args:
        text: Its text.

    Attributes:
        text: Its text.
        digest: Its SHA-1, by which Redis knows it.
    """

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


_SMALL: Final = "#!lua flags=allow-oom\n"
_LARGE: Final = "#!lua\n"

_OPEN: Final = """
-- KEYS: record, log, ids, older ids. ARGV: lineage ('' for any), new epoch, ms for the record, oldest time in ms or ''.
local record = redis.call('HMGET', KEYS[1], 'e', 's', 'l')
local epoch, newest = record[1], tonumber(record[2])
local is_new = not epoch or (ARGV[1] ~= '' and record[3] ~= ARGV[1])
if is_new then
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  epoch, newest = ARGV[2], 0
  redis.call('HSET', KEYS[1], 'e', epoch, 's', '0', 'l', ARGV[1])
end
local function trim()
  if ARGV[4] == '' then return end
  local oldest, first, count = tonumber(ARGV[4]), '-', 1
  while true do
    local entries = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', count)
    for _, entry in ipairs(entries) do
      local a, b, c, d, e, f = string.byte(entry[2][2], 12, 17)
      if ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f >= oldest then
        if first ~= '-' or entry ~= entries[1] then
          redis.call('XTRIM', KEYS[2], 'MINID', '=', entry[1])
        end
        return
      end
    end
    if #entries < count then
      if #entries > 0 or first ~= '-' then redis.call('UNLINK', KEYS[2]) end
      return
    end
    first, count = '(' .. entries[count][1], 100
  end
end
"""

APPEND: Final = RedisScript(
    _LARGE
    + _OPEN
    + """
-- ARGV: ..., size, ms for the log, PUBLISH or SPUBLISH, channel, then the id and the bytes of each draft.
local left = redis.call('PTTL', KEYS[3])
if left >= 0 and left < 120000 then redis.call('RENAME', KEYS[3], KEYS[4]) end
local ids = {}
for i = 9, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local young, older = redis.call('HMGET', KEYS[3], unpack(ids)), redis.call('HMGET', KEYS[4], unpack(ids))
local before, answer, places, added = newest, {epoch}, {}, {}
for i, id in ipairs(ids) do
  local known = places[id] or young[i] or older[i]
  if not known then
    local data = ARGV[8 + 2 * i]
    newest = newest + 1
    known = string.format('%.0f', newest)
    redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[5], known .. '-0', 'd', data)
    redis.call(ARGV[7], ARGV[8], epoch .. ' ' .. known .. ' ' .. data)
    added[#added + 1] = id
    added[#added + 1] = known
  end
  places[id] = known
  answer[#answer + 1] = known
end
if newest > before then
  redis.call('HSET', KEYS[3], unpack(added))
  if left < 120000 then redis.call('PEXPIRE', KEYS[3], 240000) end
  redis.call('HSET', KEYS[1], 's', string.format('%.0f', newest))
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  if math.floor(newest / 16) > math.floor(before / 16) then trim() end
end
if newest > before or is_new then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return answer
"""
)
"""Appends drafts. Returns the epoch, and the offset of each draft as text."""

READ: Final = RedisScript(
    _SMALL
    + _OPEN
    + """
-- ARGV: ..., after, limit, bytes of payloads.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) / 2 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
trim()
local left, bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local first, last, answer = '(' .. ARGV[5] .. '-0', nil, {epoch, string.format('%.0f', newest), 0}
while left > 0 and bytes > 0 do
  local count = math.min(left, 100)
  local entries = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', count)
  for _, entry in ipairs(entries) do
    if bytes <= 0 then break end
    local data = entry[2][2]
    local a, b, c = string.byte(data, 18, 20)
    left, bytes, last = left - 1, bytes - (#data - 20 - a - b * 256 - c), entry[1]
    answer[#answer + 1] = last
    answer[#answer + 1] = data
  end
  if #entries < count then break end
  first = '(' .. last
end
if last and last ~= string.format('%.0f-0', newest) then answer[3] = 1 end
return answer
"""
)
"""Reads entries. Returns the epoch, the newest offset as text, whether more entries follow, and the id and bytes of each."""

HEADS: Final = RedisScript(
    _SMALL
    + """
-- KEYS: records. ARGV: lineage ('' for any).
local answer = {}
for i, key in ipairs(KEYS) do
  local record = redis.call('HMGET', key, 'e', 's', 'l')
  if record[1] and (ARGV[1] == '' or record[3] == ARGV[1]) then
    answer[#answer + 1] = i
    answer[#answer + 1] = record[1]
    answer[#answer + 1] = record[2]
  end
end
return answer
"""
)
"""Reads records. Returns the number of the key from 1, the epoch and the newest offset of each record that is there."""

RESET: Final = RedisScript(
    _SMALL + "return redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])\n"
)
"""Deletes the keys of a log."""

CLAIM: Final = RedisScript(
    _LARGE
    + """
-- KEYS: key. ARGV: lineage, owner, ms. A value begins with 'c' for a claim, and 's' for a settled key.
local value = redis.call('GET', KEYS[1])
if value and value ~= 'c' .. ARGV[2] then return value end
redis.call('SET', KEYS[1], 'c' .. ARGV[2], 'PX', ARGV[3])
return false
"""
)
"""Claims a key. Returns what the key is, if it is not the caller's."""

SETTLE: Final = RedisScript(
    _LARGE
    + """
-- KEYS: key. ARGV: lineage, owner, ms, value.
if redis.call('GET', KEYS[1]) ~= 'c' .. ARGV[2] then return 0 end
redis.call('SET', KEYS[1], 's' .. ARGV[4], 'PX', ARGV[3])
return 1
"""
)
"""Settles a claimed key. Returns 1, or 0 if the caller has no claim."""

RELEASE: Final = RedisScript(
    _SMALL
    + """
-- KEYS: key. ARGV: lineage, owner.
if redis.call('GET', KEYS[1]) == 'c' .. ARGV[2] then redis.call('UNLINK', KEYS[1]) end
return 0
"""
)
"""Frees a claimed key."""
