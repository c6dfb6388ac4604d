// A crash of the channel: the client rejoins by itself, after the second that it waits by default.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const socket = open()
const bystander = open()
const room = socket.channel("room:crash", () => ({join: ++joinsAsked}))
let joinsAsked = 0
const joins = stream(tell => room.joinPush.receive("ok", tell))
room.join()
await joins()
const theirs = await join(bystander, "room:crash")
const oldRef = room.joinRef()
const errors = stream(tell => room.onError(tell))

room.push("crash", {})
report("error", {payload: await errors(), state: room.state, frame: received.at(-1), join_ref: oldRef})
report("back-off", [1, 2, 3, 4].map(count => socket.rejoinAfterMs(count)))
report("neighbour", await outcome(theirs.push("echo", {alive: true})))
const waiting = outcome(room.push("echo", {waited: true}))
report("rejoined", {payload: (await joins()).payload, new_ref: room.joinRef() !== oldRef})
report("waited", await waiting)
report("joins", sent.filter(frame => frame[3] === "phx_join").length)

const said = stream(tell => room.on("said", tell))
theirs.push("say", {text: "welcome back"})
report("hears", await said())

// Who leaves a channel that has crashed does not rejoin it.
theirs.push("crash", {})
report("left", {...await outcome(theirs.leave()), state: theirs.state})
await outcome(room.push("echo", {}))
report("left frames", {
  joins: sent.filter(frame => frame[3] === "phx_join").length,
  timer: theirs.rejoinTimer.tries,
})
finish(socket, bystander)
