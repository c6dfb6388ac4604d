// The server closes the connection (1001): the client comes back, with new parameters, and rejoins.
import {closed, finish, join, open, opened, outcome, report, stream} from "./lib.mjs"

const name = `reconnect-${process.pid}`
const tries = []
let connects = 0
let joinsAsked = 0
const socket = open({
  params: () => ({user: name, attempt: ++connects}),
  reconnectAfterMs: count => {
    tries.push(count)
    return 10
  },
})
const opens = stream(tell => socket.onOpen(tell))
await opens()
const room = socket.channel("room:reconnect", () => ({join: ++joinsAsked}))
const left = await join(socket, "room:left")
await outcome(left.leave())
const joins = stream(tell => room.joinPush.receive("ok", tell))
const errors = stream(tell => room.onError(tell))
room.join()
report("joined", await joins())

for (const time of ["first", "second"]) {
  room.push("disconnect", {})
  const error = await errors()
  const state = room.state
  const late = outcome(room.push("echo", {time}))
  await opens()
  report(`${time} time`, {
    error, state, joined: await joins(), late: await late, left: left.state, tries: socket.reconnectTimer.tries,
  })
}
report("attempts", opened.map(({address}) => new URL(address).searchParams.get("attempt")))
report("closes", closed)
report("tries", tries)
finish(socket)
