// The server closes a channel: it stays closed. And one that it stops for a failure comes back.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const tries = []
const socket = open({rejoinAfterMs: count => {
  tries.push(count)
  return 10
}})
const room = await join(socket, "room:stop")
const other = await join(socket, "room:other")
const closes = stream(tell => room.onClose(tell))
report("reply", await outcome(room.push("stop", {text: "normal"})))
await closes()
report("closed", {
  state: room.state,
  channels: socket.channels.map(channel => channel.topic),
  frame: received.at(-1),
  join_ref: room.joinRef(),
})
await outcome(other.push("echo", {}))
report("no rejoin", {tries, joins: sent.filter(frame => frame[3] === "phx_join").length})

const errors = stream(tell => other.onError(tell))
const joins = stream(tell => other.joinPush.receive("ok", tell))
await joins()  // the one that was
report("failed", {...await outcome(other.push("stop", {text: "a failure"})), error: await errors()})
await joins()
report("rejoined", {state: other.state, tries})
finish(socket)
