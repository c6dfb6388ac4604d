// The server's process goes away and another one comes: the test sees to that.
import {closed, finish, open, outcome, report, stream} from "./lib.mjs"

const socket = open({reconnectAfterMs: () => 25})
const room = socket.channel("room:restart")
const joins = stream(tell => room.joinPush.receive("ok", tell))
// Attempts to connect that fail meanwhile close the socket too, with 1006.
const losses = stream(tell => socket.onClose(() => {
  if (closed.at(-1).established) { tell(closed.at(-1).code) }
}))
room.join()
await joins()
for (const time of ["killed", "stopped"]) {
  report(`to be ${time}`)
  report(time, {code: await losses(), state: room.state})
  const late = outcome(room.push("echo", {after: time}, 60_000))
  await joins()
  report(`back after being ${time}`, await late)
}
finish(socket)
