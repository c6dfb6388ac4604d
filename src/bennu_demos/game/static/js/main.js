// The page: connects its parts. Everything that moves is in the loop at the end.

import { Connection, showState } from "../design/connection.js";
import { byId, isolated } from "../design/dom.js";
import { Hud, obituary } from "./hud.js";
import { Link } from "./link.js";
import { Motion } from "./motion.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { Prediction } from "./prediction.js";
import { Steering } from "./steering.js";
import { Timeline } from "./timeline.js";
import { readFrame, writeInput } from "./wire.js";

const LAG = Math.max(0, Math.min(2_000, Number(new URLSearchParams(location.search).get("lag")) || 0));
const FAR = 12_000; // units; a camera that must go further jumps
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");

const connection = new Connection();
const channel = connection.socket.channel("arena");
const link = new Link(channel, LAG);
const hud = new Hud();
const steering = new Steering(byId("canvas"), byId("sprint"));
const panel = new Panel(async (wanted) => {
  const { name } = await link.ask("play", wanted);
  steering.start();
  byId("sprint").hidden = !matchMedia("(pointer: coarse)").matches;
  hud.say(`You play as ${isolated(name)}.`);
});

let game = null; // { rules, timeline, prediction, painter }, from the first join on
let hasSnake = false;

// A join: the first one, and one after each lost connection. The server forgets a page that it lost.
channel
  .join()
  .receive("ok", (rules) => {
    const motion = new Motion(rules);
    const painter = game?.painter ?? new Painter(byId("canvas"), motion, rules);
    game = { rules, painter, timeline: new Timeline(rules.tick_ms), prediction: new Prediction(motion) };
    sent.clear();
    number = 0;
    if (hasSnake) ended("The connection was lost", "Your snake is gone. The next one begins anew.");
    panel.ready = true;
  })
  .receive("error", ({ reason }) => panel.show("The arena is closed", `The server says: ${reason}`));
channel.onError(() => (panel.ready = false));

link.on("frame", (buffer) => {
  const state = game && readFrame(buffer, game.timeline.states);
  if (!state) return; // of an earlier join
  const now = performance.now();
  game.timeline.add(state, now);
  game.prediction.correct(state);
  for (const [input, at] of sent) {
    if (input > state.input) break;
    if (input === state.input) ping = ping === null ? now - at : ping + (now - at - ping) * 0.1;
    sent.delete(input);
  }
  hasSnake = state.own !== 0;
  hud.showSnake(state.snakes.get(state.own));
});

link.on("board", (board) => {
  hud.showBoard(board);
  hud.showPing(ping, LAG);
});

link.on("died", (death) => {
  const { headline, details } = obituary(death, game.rules.tick_ms);
  ended(headline, details);
});

function ended(headline, details) {
  hasSnake = false;
  byId("sprint").hidden = true;
  hud.showSnake(null);
  hud.say(`${headline}. ${details}`);
  panel.show(headline, details);
}

// The loop. The page sends an input a tick; it also tells the server which frames have come.

const sent = new Map(); // when each input was sent that the server has not taken yet
let number = 0;
let ping = null;
let due = 0;
let last = 0;
let camera = null;

function tick(now) {
  const { timeline, prediction } = game;
  const { wish, sprints } = steering.wish(prediction.snake?.heading ?? 0);
  number += 1;
  sent.set(number, now);
  prediction.play({ number, wish, sprints });
  link.send("input", writeInput(number, timeline.newest?.tick ?? 0, wish, sprints));
}

function draw(now) {
  const { rules, timeline, prediction, painter } = game;
  const own = prediction.shown(Math.min((now - due) / rules.tick_ms + 1, 1), now - last);
  const { snakes, pellets } = timeline.shown(now);
  const shown = snakes.filter(({ snake }) => snake.id !== timeline.newest?.own);
  if (own) {
    shown.push(own);
    const [x, y] = headOf(own);
    camera = [x + own.error[0], y + own.error[1]];
  } else if (timeline.newest) {
    follow([timeline.newest.x, timeline.newest.y], now - last);
  }
  painter.draw({ camera: camera ?? [rules.centre, rules.centre], snakes: shown, pellets, own: own?.snake.id ?? 0, now });
}

function headOf({ snake, steps }) {
  const back = Math.max(0, Math.min(snake.steps - steps, snake.points.length / 2 - 1));
  const at = Math.floor(back) * 2;
  const { points } = snake;
  const share = back - Math.floor(back);
  return [0, 1].map((axis) => points[at + axis] + ((points[at + 2 + axis] ?? points[at + axis]) - points[at + axis]) * share);
}

/** Move the camera to a place: smoothly, unless it is far away or the person wants less motion. */
function follow(place, passed) {
  const isFar = !camera || Math.hypot(place[0] - camera[0], place[1] - camera[1]) > FAR;
  const share = isFar || isCalm.matches ? 1 : 1 - Math.exp(-passed / 120);
  camera = place.map((to, axis) => (camera?.[axis] ?? to) + (to - (camera?.[axis] ?? to)) * share);
}

function frame(now) {
  if (game) {
    const { tick_ms: tickMs } = game.rules;
    if (now - due > 10 * tickMs) due = now; // the window was hidden
    for (; due <= now; due += tickMs) if (link.isJoined) tick(now);
    draw(now);
  }
  last = now;
  requestAnimationFrame(frame);
}

showState(connection, byId("banner"));
connection.connect();
requestAnimationFrame(frame);
