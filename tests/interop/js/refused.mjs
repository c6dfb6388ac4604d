// A connect that the server refuses, with 403, until the parameters are better.
import {Recording, finish, open, outcome, report, stream} from "./lib.mjs"

let connects = 0
const tries = []
const socket = open({
  params: () => ++connects < 3 ? {refuse: "true"} : {user: "better"},
  reconnectAfterMs: count => {
    tries.push(count)
    return 10
  },
})
// A join and a push that wait for the socket to open.
const room = socket.channel("room:refused")
const joins = stream(tell => room.joinPush.receive("ok", tell))
const roomErrors = stream(tell => room.onError(tell))
const errors = stream(tell => socket.onError((_error, transport, established) => tell({
  transport: transport === Recording, established,
})))
room.join()
const echo = outcome(room.push("echo", {patience: true}))
report("errors", [await errors(), await errors()])
report("channel error", await roomErrors())
report("joined", await joins())
report("echo", await echo)
report("connects", {connects, tries, reset: socket.reconnectTimer.tries})
finish(socket)
