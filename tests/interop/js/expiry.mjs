// A token that expires: the client brings a new one in the middle, and another one when it is closed.
import {closed, finish, open, outcome, report, stream} from "./lib.mjs"

const tokens = ["first", "second"]
const socket = open(
  {params: {user: `expiry-${process.pid}`}, authToken: () => tokens.shift(), reconnectAfterMs: () => 10},
  "/expiring")
const expiring = stream(tell => socket.onMessage(message => {
  if (message.event === "token_expiring") { tell(message) }
}))
const closes = stream(tell => socket.onClose(tell))
const room = socket.channel("room:expiry")
const joins = stream(tell => room.joinPush.receive("ok", tell))

// What a page does that has a new token.
function renew(token) {
  const ref = socket.makeRef()
  return new Promise(resolve => {
    socket.onMessage(message => { if (message.ref === ref) { resolve(message.payload) } })
    socket.push({topic: "phoenix", event: "token", payload: {token}, ref})
  })
}

room.join()
await joins()
const {topic, payload, ref} = await expiring()
report("expiring", {topic, payload, ref})
report("bad", await renew("junk"))
report("good", await renew("3600"))
report("kept", {...await outcome(room.push("whoami", {})), closed: closed.length})
report("short", await renew("1"))
const {code, reason} = await closes()
report("closed", {code, reason})
await joins()
report("again", await outcome(room.push("whoami", {})))
finish(socket)
