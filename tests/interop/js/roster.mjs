// Disconnecting twice and connecting again, while a big message is still on its way out.
import {finish, open, opened, outcome, report, stream} from "./lib.mjs"

const socket = open()
const roster = socket.channel(`roster:${process.pid}`)
const joins = stream(tell => roster.joinPush.receive("ok", tell))
const lefts = stream(tell => roster.on("left", tell))
roster.join()
report("first", await joins())

const callbacks = []
roster.push("echo", {filler: "x".repeat(4_000_000)})
report("slow", socket.conn.bufferedAmount > 0)
const disconnects = ["one", "two"].map(
  name => new Promise(resolve => socket.disconnect(() => resolve(callbacks.push(name)))))
socket.connect()
let {members} = await joins()
while (members > 1) { ({members} = await lefts()) }
report("members", members)
await Promise.all(disconnects)
report("end", {callbacks: callbacks.sort(), opened: opened.length, state: socket.connectionState()})
report("works", await outcome(roster.push("echo", {again: true})))
finish(socket)
