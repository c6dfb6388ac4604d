// The server's process goes away and another one comes, which knows nothing of the session.
import {LongPoll, Socket, finish, outcome, report, stream, url} from "./lib.mjs"

const socket = new Socket(`${url}/socket`, {transport: LongPoll, reconnectAfterMs: () => 25})
socket.connect()
const room = socket.channel("room:restart")
const joins = stream(tell => room.joinPush.receive("ok", tell))
room.join()
await joins()
for (const time of ["killed", "stopped"]) {
  report(`to be ${time}`)
  await joins()
  report(`back after being ${time}`, await outcome(room.push("echo", {after: time})))
}
finish(socket)
