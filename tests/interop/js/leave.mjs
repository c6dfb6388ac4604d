// Leaving one of two channels.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const socket = open()
const [left, kept] = [await join(socket, "room:left"), await join(socket, "room:kept")]
const closes = []
left.onClose(reason => closes.push(reason))
const hooks = () => Object.values(socket.stateChangeCallbacks).flat().length
const before = {channels: socket.channels.length, hooks: hooks(), per_channel: left.stateChangeRefs.length}
const messages = stream(tell => socket.conn.addEventListener("message", tell))

report("reply", {...await outcome(left.leave()), state: left.state, closes})
report("frame", {sent: sent.at(-1), join_ref: left.joinRef()})
report("removed", {
  before, channels: socket.channels.map(channel => channel.topic), hooks: hooks(), kept: kept.state,
})
await messages()
await messages()
report("answers", received.slice(-2))
report("kept works", await outcome(kept.push("echo", {still: "here"})))
const again = await join(socket, "room:left")
report("again", await outcome(again.push("echo", {back: true})))
finish(socket)
