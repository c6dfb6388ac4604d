// A heartbeat, and a ping.
import {Recording, Socket, closed, finish, open, received, report, sent, stream, texts, url} from "./lib.mjs"

const idle = new Socket(`${url}/socket`, {transport: Recording})
idle.sendHeartbeat()
report("not connected", sent)

// Callbacks of the socket would use up refs, so these are its transport's.
const socket = open({heartbeatIntervalMs: 250})
const answers = stream(tell => socket.conn.addEventListener("message", tell))
report("unopened", socket.ping(() => {}))
await answers()
report("frames", {sent: sent.slice(0, 1), received: received.slice(0, 1)})
report("texts", texts)
report("closed", closed)
const pong = stream(tell => report("pinged", socket.ping(tell)))
report("round trip", typeof await pong() === "number")
finish(socket)
