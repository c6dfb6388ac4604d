// A second channel object for a topic takes over from the first.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const [socket, other] = [open(), open()]
const topic = "room:duplicate"
const first = await join(socket, topic)
const closes = stream(tell => first.onClose(tell))
const second = await join(socket, topic)
await closes()
report("states", {first: first.state, second: second.state, channels: socket.channels.length})
report("sent", sent.map(frame => frame[3]))
report("works", await outcome(second.push("echo", {by: "the second"})))
report("received", received.map(([joinRef, ref, , event, payload]) => ({
  of: {[first.joinRef()]: "first", [second.joinRef()]: "second"}[joinRef],
  event: event === "phx_close" && joinRef !== ref ? "wrong ref" : event,
  status: payload.status,
})))

const said = []
const hears = stream(tell => second.on("said", tell))
first.on("said", () => said.push("first"))
second.on("said", () => said.push("second"))
const theirs = await join(other, topic)
const theyHear = stream(tell => theirs.on("said", tell))
theirs.push("say", {text: "to one member"})
await hears()
await theyHear()
await outcome(second.push("echo", {}))
report("heard", {said, frames: received.filter(frame => frame[3] === "said").length})
finish(socket, other)
