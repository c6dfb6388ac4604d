// Two joins of one topic without a leave between them, as a reconnect may send them.
import {finish, join, open, outcome, received, report, stream} from "./lib.mjs"

const socket = open()
const room = await join(socket, "room:twice")
const oldRef = room.joinRef()
const joins = stream(tell => room.joinPush.receive("ok", tell))
await joins()  // the one that was
const messages = stream(tell => socket.conn.addEventListener("message", tell))
// The channel believes that it was left, and is not: the server has it still.
room.state = "errored"
room.rejoin()
await joins()
await messages()
await messages()
report("frames", received.slice(-2).map(([joinRef, ref, , event]) => ({
  of: joinRef === oldRef ? "old" : "new", own: joinRef === ref, event,
})))
report("joined", {state: room.state, ...await outcome(room.push("echo", {still: "here"}))})
finish(socket)
