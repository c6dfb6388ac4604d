// The bytes of frames and inputs: frames.py describes them. A state is what the page sees at a tick:
//   { tick, input, own, x, y, snakes: Map(id -> snake), pellets: Map(id -> pellet) }
// A snake is { id, colour, name, score, heading, sprints, steps, points }; points is [x, y, x, y, ...] from the head.
// A state is never changed: the next one shares what has not changed.

const FLAG = 1 << 15;
const utf8 = new TextDecoder();

class Reader {
  #view;
  #at = 0;

  constructor(buffer) {
    this.#view = new DataView(buffer);
  }

  get isAtEnd() {
    return this.#at === this.#view.byteLength;
  }

  u8 = () => this.#view.getUint8(this.#at++);
  i8 = () => this.#view.getInt8(this.#at++);
  u16 = () => this.#view.getUint16((this.#at += 2) - 2, true);
  u32 = () => this.#view.getUint32((this.#at += 4) - 4, true);

  text(length) {
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at, length);
    this.#at += length;
    return utf8.decode(bytes);
  }
}

const heading = (value) => ({ heading: value & ~FLAG, sprints: (value & FLAG) !== 0 });

function readSeen(reader) {
  const id = reader.u16();
  const colour = reader.u8();
  const score = reader.u16();
  const count = reader.u16();
  const turned = heading(reader.u16());
  const steps = reader.u32();
  const points = [reader.u16(), reader.u16()];
  const name = reader.text(reader.u8());
  for (let n = 1; n < count; n += 1) points.push(points.at(-2) + reader.i8(), points.at(-1) + reader.i8());
  return { id, colour, name, score, ...turned, steps, points };
}

function readMoved(reader, snakes) {
  const before = snakes.get(reader.u16());
  const score = reader.u16();
  const count = reader.u16();
  const turned = heading(reader.u16());
  const fresh = reader.u8();
  let [x, y] = before.points;
  const added = [];
  for (let n = 0; n < fresh; n += 1) {
    x += reader.i8();
    y += reader.i8();
    added.push([x, y]);
  }
  const points = added.reverse().flat().concat(before.points);
  points.length = count * 2;
  return { ...before, score, ...turned, steps: before.steps + fresh, points };
}

/**
 * Read a frame.
 *
 * @param buffer The bytes, an ArrayBuffer.
 * @param states The states that the page has, by their tick.
 * @returns The state, or null if the page does not have the base of the frame.
 */
export function readFrame(buffer, states) {
  const reader = new Reader(buffer);
  const [tick, base, input] = [reader.u32(), reader.u32(), reader.u32()];
  const [own, x, y] = [reader.u16(), reader.u16(), reader.u16()];
  const [gone, seen, moved, eaten, sown] = Array.from({ length: 5 }, reader.u16);
  const before = base ? states.get(base) : { snakes: new Map(), pellets: new Map() };
  if (!before) return null;
  const snakes = new Map(before.snakes);
  const pellets = new Map(before.pellets);
  for (let n = 0; n < gone; n += 1) snakes.delete(reader.u16());
  for (let n = 0; n < seen; n += 1) {
    const snake = readSeen(reader);
    snakes.set(snake.id, snake);
  }
  for (let n = 0; n < moved; n += 1) {
    const snake = readMoved(reader, before.snakes);
    snakes.set(snake.id, snake);
  }
  for (let n = 0; n < eaten; n += 1) pellets.delete(reader.u16());
  for (let n = 0; n < sown; n += 1) {
    const id = reader.u16();
    pellets.set(id, { x: reader.u16(), y: reader.u16(), value: reader.u8(), colour: reader.u8() });
  }
  if (!reader.isAtEnd) throw new Error(`the frame of tick ${tick} has bytes after its end`);
  return { tick, input, own, x, y, snakes, pellets };
}

/** Write an input: its number, the newest tick that the page has, and what the player wants. */
export function writeInput(number, confirmed, wish, sprints) {
  const view = new DataView(new ArrayBuffer(10));
  view.setUint32(0, number, true);
  view.setUint32(4, confirmed, true);
  view.setUint16(8, wish | (sprints ? FLAG : 0), true);
  return view.buffer;
}
