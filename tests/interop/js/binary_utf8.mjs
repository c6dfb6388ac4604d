// Binary frames whose header is not ASCII: its lengths count bytes, not characters.
import {finish, join, open, outcome, received, report, sent} from "./lib.mjs"

const socket = open()
const room = await join(socket, "room:größe 🐦")
const bytes = Uint8Array.from(Array(1000).keys()).buffer
report("event", await outcome(room.push("größe", bytes)))
const echo = await outcome(room.push("echo", bytes))
report("reply", {status: echo.status, bytes: echo.response.byteLength})
report("frames", [sent.at(-1), received.at(-1)].map(({binary}) => binary.slice(0, 12)))
report("text", await outcome(room.push("echo", {größe: "🐦"})))
try { room.push("x".repeat(256), bytes) } catch (error) { report("too long", error.message) }
finish(socket)
