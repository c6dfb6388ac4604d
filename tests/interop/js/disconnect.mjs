// Disconnecting oneself, before and after being connected: nothing reconnects.
import {Recording, Socket, closed, join, opened, outcome, report, stream, url} from "./lib.mjs"

const closeCalls = []
class Closing extends Recording {
  close(...args) {
    closeCalls.push(args)
    super.close(...args)
  }
}

const tries = []
const socket = new Socket(`${url}/socket`, {
  transport: Closing,
  reconnectAfterMs: count => {
    tries.push(count)
    return 10
  },
})
await new Promise(resolve => socket.disconnect(resolve))
report("unconnected", socket.connectionState())

socket.connect()
const transport = socket.conn
socket.connect()
report("connected twice", {same: socket.conn === transport, opened: opened.length})
const closes = stream(tell => transport.addEventListener("close", tell))
const room = await join(socket, "room:disconnect")
await outcome(room.push("echo", {}))
const states = [socket.connectionState()]
await new Promise(resolve => socket.disconnect(resolve, 3001, "going home"))
states.push(socket.connectionState())
await closes()
report("disconnected", {states, closeCalls, closed, conn: socket.conn, tries, room: room.state})

// It may connect again; and when that fails, it does try again.
socket.endPoint = `${url}/socket/none`
const errors = stream(tell => socket.onError(tell))
socket.connect()
await errors()
await errors()
report("tries", tries.slice(0, 2))
socket.endPoint = `${url}/socket/websocket`
const joins = stream(tell => room.joinPush.receive("ok", tell))
await joins()  // the one that was
await joins()
report("rejoined", room.state)
process.exit(0)
