// The last read message of each room, stored in the browser.

const key = (room) => `bennu-chat:read:${room}`;

/** The id of the last message that was seen in a room, or null for a new room. */
export function lastRead(room) {
  const stored = localStorage.getItem(key(room));
  return stored === null ? null : Number(stored);
}

export function setLastRead(room, id) {
  localStorage.setItem(key(room), String(id));
}
