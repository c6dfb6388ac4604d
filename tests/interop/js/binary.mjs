// Binary frames: a push and its reply, a push of the server's, a broadcast between two clients.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const hex = buffer => ({bytes: Buffer.from(buffer).toString("hex"), type: buffer.constructor.name})
const bytes = (...values) => Uint8Array.from(values).buffer

const topic = "room:binary"
const [ann, bob] = [open(), open()]
const [anns, bobs] = [await join(ann, topic), await join(bob, topic)]
const [annSees, bobSees] = [anns, bobs].map(
  channel => stream(tell => channel.on("drawn", (payload, ref, joinRef) => tell({...hex(payload), ref, joinRef}))))
const messages = stream(tell => ann.onMessage(tell))

const echo = await outcome(anns.push("echo", bytes(0, 1, 254, 255)))
report("reply", {status: echo.status, ...hex(echo.response)})
report("sent", {frame: sent.at(-1), join_ref: anns.joinRef()})
report("received", received.at(-1))
await messages()

report("empty", hex((await outcome(anns.push("echo", bytes()))).response))
await messages()
anns.push("draw_for_me", bytes(7, 7))
report("push", await annSees())
const {join_ref: joinRef, ref, event} = await messages()
report("push message", {own: joinRef === anns.joinRef(), ref, event})

bobs.push("draw", bytes(1, 2, 3))
report("broadcast", [await annSees(), await bobSees()])
report("broadcast message", (({join_ref, ref}) => ({join_ref, ref}))(await messages()))

report("json wanted", await outcome(anns.push("say", bytes(1))))
report("bytes wanted", await outcome(anns.push("draw", {})))
finish(ann, bob)
