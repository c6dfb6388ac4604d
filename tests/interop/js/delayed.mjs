// A join, and what is pushed meanwhile, before the socket is even told to connect.
import {Recording, Socket, finish, outcome, report, sent, stream, url} from "./lib.mjs"

const socket = new Socket(`${url}/socket`, {transport: Recording})
const room = socket.channel("room:delayed")
room.join()
const echo = outcome(room.push("echo", {early: true}))
report("unconnected", {state: room.state, buffered: socket.sendBuffer.length, url: socket.endPointURL()})
const opens = stream(tell => socket.onOpen(tell))
socket.connect()
await opens()
report("echo", {...await echo, state: room.state, buffered: socket.sendBuffer.length})
report("events", sent.map(frame => frame[3]))
finish(socket)
