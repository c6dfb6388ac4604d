// Draws the arena on a canvas. It is given what is shown, and knows no network.

import { radiusOf, UNIT } from "./motion.js";

const SHOWN = [1280, 900]; // pixels of the arena that a window shows at most; areas.py sends a little more
const GRID = 64; // pixels
const BAND = 20; // pixels
const COLOURS = 12;

/** The points of a snake up to a step, which can have a fraction: [x, y, x, y, ...] from the head. */
export function trail({ snake, steps }, motion) {
  const { points } = snake;
  const back = snake.steps - steps;
  if (back <= 0) {
    const [dx, dy] = motion.towards(snake.heading);
    return [points[0] - dx * back, points[1] - dy * back, ...points.slice(0, -4)];
  }
  const first = Math.min(Math.floor(back), points.length / 2 - 2);
  const share = back - first;
  const between = (from, to) => from + (to - from) * Math.min(share, 1);
  const at = first * 2;
  const head = [between(points[at], points[at + 2]), between(points[at + 1], points[at + 3])];
  // The end moves as smoothly as the head: up to two steps of it are not drawn.
  const left = 2 - back;
  if (left <= 0 || points.length < 12) return [...head, ...points.slice(at + 2)];
  const last = points.length - 2 * Math.ceil(left);
  const cut = Math.ceil(left) - left;
  const end = [points[last - 2], points[last - 1]];
  if (cut && last < points.length) end.push(end[0] + (points[last] - end[0]) * cut, end[1] + (points[last + 1] - end[1]) * cut);
  return [...head, ...points.slice(at + 2, last - 2), ...end];
}

export class Painter {
  #canvas;
  #context;
  #colours = {};
  #motion;
  #rules;
  #isCalm = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param rules The reply to the join. */
  constructor(canvas, motion, rules) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#motion = motion;
    this.#rules = rules;
    this.#readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#readColours());
    const fit = () => {
      const { width, height } = canvas.getBoundingClientRect();
      const ratio = Math.min(devicePixelRatio, 2);
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    };
    new ResizeObserver(fit).observe(canvas);
    fit();
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["void", "ground", "grid", "rim", "eye", "pupil", "text", "surface", "accent", "muted"]) {
      this.#colours[name] = style.getPropertyValue(`--${name}`);
    }
    this.#colours.snakes = Array.from({ length: COLOURS }, (_, n) => style.getPropertyValue(`--c${n}`));
    this.#colours.font = style.getPropertyValue("--font");
  }

  /**
   * Draw one picture.
   *
   * @param camera [x, y] of the centre.
   * @param snakes [{ snake, steps, error }], the own one last.
   * @param pellets Those that are seen, by id.
   * @param own The id of the own snake, or 0.
   * @param now Milliseconds.
   */
  draw({ camera, snakes, pellets, own, now }) {
    const context = this.#context;
    const { width, height } = this.#canvas;
    const scale = Math.max(width / SHOWN[0], height / SHOWN[1]) / UNIT;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.#colours.void;
    context.fillRect(0, 0, width, height);
    context.setTransform(scale, 0, 0, scale, width / 2 - camera[0] * scale, height / 2 - camera[1] * scale);
    this.#drawGround(camera, width / scale, height / scale);
    this.#drawPellets(pellets, now);
    const shapes = snakes.map((one) => ({ ...one.snake, path: trail(one, this.#motion), error: one.error ?? [0, 0] }));
    for (const shape of shapes) this.#drawSnake(shape);
    for (const shape of shapes) if (shape.id !== own) this.#drawName(shape, scale);
    this.#drawMap(camera, own);
  }

  #drawGround([x, y], width, height) {
    const context = this.#context;
    const { centre, radius } = this.#rules;
    context.save();
    context.beginPath();
    context.arc(centre, centre, radius, 0, 2 * Math.PI);
    context.fillStyle = this.#colours.ground;
    context.fill();
    context.clip();
    context.beginPath();
    const size = GRID * UNIT;
    for (let line = Math.floor((x - width / 2) / size) * size; line < x + width / 2; line += size) {
      context.moveTo(line, y - height / 2);
      context.lineTo(line, y + height / 2);
    }
    for (let line = Math.floor((y - height / 2) / size) * size; line < y + height / 2; line += size) {
      context.moveTo(x - width / 2, line);
      context.lineTo(x + width / 2, line);
    }
    context.lineWidth = 2 * UNIT;
    context.strokeStyle = this.#colours.grid;
    context.stroke();
    context.restore();
    context.beginPath();
    context.arc(centre, centre, radius + 4 * UNIT, 0, 2 * Math.PI);
    context.lineWidth = 8 * UNIT;
    context.strokeStyle = this.#colours.rim;
    context.stroke();
  }

  #drawPellets(pellets, now) {
    const context = this.#context;
    const paths = this.#colours.snakes.map(() => new Path2D());
    for (const [id, { x, y, value, colour }] of pellets) {
      const pulse = this.#isCalm.matches ? 1 : 1 + 0.15 * Math.sin(now / 250 + id);
      const size = (3.5 + Math.min(value, 8) * 0.8) * UNIT * pulse;
      paths[colour].moveTo(x + size, y);
      paths[colour].arc(x, y, size, 0, 2 * Math.PI);
    }
    context.globalAlpha = 0.85;
    paths.forEach((path, colour) => {
      context.fillStyle = this.#colours.snakes[colour];
      context.fill(path);
    });
    context.globalAlpha = 1;
  }

  #drawSnake({ colour, score, heading, sprints, path, error }) {
    const context = this.#context;
    const radius = radiusOf(score);
    const stroke = (style, width, dash = []) => {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke();
    };
    context.save();
    context.translate(...error);
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(path[0], path[1]);
    for (let n = 2; n < path.length; n += 2) context.lineTo(path[n], path[n + 1]);
    if (sprints) {
      context.globalAlpha = 0.3;
      stroke(this.#colours.snakes[colour], radius * 2 + 14 * UNIT);
      context.globalAlpha = 1;
    }
    stroke(this.#colours.ground, radius * 2 + 3 * UNIT);
    stroke(this.#colours.snakes[colour], radius * 2);
    context.globalAlpha = 0.22;
    context.lineCap = "butt";
    stroke(this.#colours.ground, radius * 2, [BAND * UNIT, BAND * UNIT]);
    context.globalAlpha = 1;
    this.#drawEyes(path, heading, radius);
    context.restore();
  }

  #drawEyes(path, heading, radius) {
    const context = this.#context;
    const [dx, dy] = [path[0] - path[2], path[1] - path[3]];
    const angle = Math.hypot(dx, dy) > 8 ? Math.atan2(dy, dx) : (heading * Math.PI) / 512;
    const dot = (forward, side, size, style) => {
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      context.beginPath();
      context.arc(path[0] + cos * forward - sin * side, path[1] + sin * forward + cos * side, size, 0, 2 * Math.PI);
      context.fillStyle = style;
      context.fill();
    };
    for (const side of [-0.5, 0.5]) {
      dot(radius * 0.3, radius * side, radius * 0.38, this.#colours.eye);
      dot(radius * 0.45, radius * side, radius * 0.2, this.#colours.pupil);
    }
  }

  #drawName({ name, score, path, error }, scale) {
    const context = this.#context;
    const size = (13 / scale) * Math.min(devicePixelRatio, 2);
    context.font = `600 ${size}px ${this.#colours.font}`;
    context.textAlign = "center";
    context.lineJoin = "round";
    context.lineWidth = size / 4;
    context.strokeStyle = this.#colours.ground;
    context.fillStyle = this.#colours.text;
    const [x, y] = [path[0] + error[0], path[1] + error[1] - radiusOf(score) - size * 0.6];
    const text = `\u2068${name}\u2069`; // a canvas has no dir="auto": the name is isolated
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }

  /** A small map at the bottom: where in the arena is this? */
  #drawMap(camera, own) {
    const context = this.#context;
    const ratio = Math.min(devicePixelRatio, 2);
    const { centre, radius } = this.#rules;
    const size = 40;
    const [x, y] = [16 + size, this.#canvas.height / ratio - 16 - size];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.globalAlpha = 0.92;
    context.fillStyle = this.#colours.surface;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.strokeStyle = this.#colours.rim;
    context.stroke();
    context.beginPath();
    context.arc(x + ((camera[0] - centre) / radius) * size, y + ((camera[1] - centre) / radius) * size, 4, 0, 2 * Math.PI);
    context.fillStyle = own ? this.#colours.accent : this.#colours.muted;
    context.fill();
  }
}
