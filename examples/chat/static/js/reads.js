// How far each room has been read, remembered by the browser.

const key = (room) => `bennu-chat:read:${room}`;

/** The id of the last message that was seen in a room; null for a room never seen. */
export function lastRead(room) {
  const stored = localStorage.getItem(key(room));
  return stored === null ? null : Number(stored);
}

export function setLastRead(room, id) {
  localStorage.setItem(key(room), String(id));
}
