// Pushes and their replies: ok, error, a status of one's own, and none at all.
import {LongPoll, Socket, finish, join, open, outcome, received, report, sent, stream, url} from "./lib.mjs"

const socket = open()
const early = socket.channel("room:early")
try { early.push("echo", {}) } catch (error) { report("before joining", error.message) }

const joining = outcome(early.join())
const buffered = outcome(early.push("echo", {buffered: true}))
report("while joining", {can_push: early.canPush(), frames: sent.length})
await joining
report("buffered", {...await buffered, can_push: early.canPush(), events: sent.map(frame => frame[3])})

const room = await join(socket, "room:push")
const messages = stream(tell => socket.onMessage(tell))
report("ok", await outcome(room.push("echo", {text: "Grüße, 世界 🐦", list: [1, null, {}]})))
report("message", await messages())
report("frame", {sent: sent.at(-1), received: received.at(-1)})
report("error", await outcome(room.push("fail", {})))
report("refused", await outcome(room.push("refuse", {})))
report("custom", await outcome(room.push("custom", {})))
report("unknown", await outcome(room.push("no such event", {})))
report("silent", await outcome(room.push("silent", {}, 30)))
report("leaks", room.bindings.filter(binding => binding.event.startsWith("chan_reply_")).length)

const refs = sent.map(frame => frame[1])
report("refs", {refs, rising: refs.every((ref, i) => i === 0 || Number(ref) > Number(refs[i - 1]))})
// A codec of one's own, which long-polling would not use.
const encoded = []
const codec = {
  encode: ({join_ref, ref, topic, event, payload}, callback) => {
    encoded.push(event)
    callback(JSON.stringify([join_ref, ref, topic, event, payload]))
  },
}
const custom = open(codec)
await join(custom, "room:codec")
const polling = new Socket(`${url}/socket`, {transport: LongPoll, ...codec})
report("codec", {encoded, used: custom.encode === codec.encode, by_longpoll: polling.encode === codec.encode})

socket.ref = 2 ** 53  // where counting on ends
report("overflow", {...await outcome(room.push("echo", {})), ref: sent.at(-1)[1]})
finish(socket, custom)
