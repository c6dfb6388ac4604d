// A token beside the URL, asked for anew at each connect.
import {finish, open, opened, outcome, report, stream} from "./lib.mjs"

const tokens = ["1234", "not a number", "5678"]
const socket = open(
  {params: {user: `auth-${process.pid}`}, authToken: () => tokens.shift(), reconnectAfterMs: () => 10}, "/auth")
const errors = stream(tell => socket.onError(tell))
const room = socket.channel("room:auth")
const joins = stream(tell => room.joinPush.receive("ok", tell))
room.join()
await joins()
report("first", (await outcome(room.push("whoami", {}))).response.token)
room.push("disconnect", {})
await errors()  // the second token is refused
await joins()
report("third", (await outcome(room.push("whoami", {}))).response.token)
report("handshakes", opened.map(({protocols, protocol}) => ({protocols, protocol})))
report("in the URL", opened.some(({address}) => String(address).includes("1234")))
finish(socket)
