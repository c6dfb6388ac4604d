// A connection that goes while a join is under way.
import {finish, join, open, outcome, report, stream} from "./lib.mjs"

const name = `joining-${process.pid}`
const [socket, keeper] = [open({params: {user: name}, reconnectAfterMs: () => 10}), open()]
const [room, keepers] = [await join(socket, "room:joining"), await join(keeper, "room:keeper")]
const gated = socket.channel(`gate:${name}`, {patient: true})
const errors = stream(tell => gated.onError(tell))
const joins = stream(tell => gated.joinPush.receive("ok", tell))

room.push("disconnect", {})
gated.join()  // nobody opens its gate before the connection is gone
report("before", gated.state)
report("error", await errors())
report("after", gated.state)
await outcome(keepers.push("open_gate", {text: name}))
report("joined", await joins())
finish(socket, keeper)
