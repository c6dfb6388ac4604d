// A connection on which a join takes long answers no heartbeat: the client closes it, and comes back.
import {closed, finish, join, open, outcome, report, sent, stream} from "./lib.mjs"

const gate = `heartbeat-${process.pid}`
const socket = open({heartbeatIntervalMs: 400, reconnectAfterMs: () => 10})
const keeper = open()
const keepers = await join(keeper, "room:keeper")
const room = await join(socket, "room:heartbeat")
const errors = stream(tell => room.onError(tell))
const joins = stream(tell => room.joinPush.receive("ok", tell))
await joins()  // the one that was
const closes = stream(tell => socket.conn.addEventListener("close", tell))

const slow = socket.channel(`gate:${gate}`)
slow.join()
report("error", await errors())
const beats = sent.filter(frame => frame[3] === "heartbeat").length
await outcome(keepers.push("open_gate", {text: gate}))
await closes()
report("closed", {beats: beats >= 1, ...closed[0]})
await joins()
report("works", {room: room.state, ...await outcome(room.push("echo", {}))})
finish(socket, keeper)
