// A connection that the server closes, and a channel that crashes: the client subscribes again.
import {closed, finish, report, stream} from "./lib.mjs"
import {broadcast, client, subscribe} from "./supabase_lib.mjs"

const ann = client({reconnectAfterMs: () => 10}, {user: `recovery-${process.pid}`})
const lobby = subscribe(ann.channel("lobby", {config: {broadcast: {self: true}}}))
report("subscribed", await lobby.status())
const hears = stream(tell => lobby.channel.on("broadcast", {event: "said"}, tell))

for (const event of ["disconnect", "crash"]) {
  await broadcast(lobby.channel, event)
  report(event, [await lobby.status(), await lobby.status()])
  await broadcast(lobby.channel, "said", {after: event})
  report(`after ${event}`, (await hears()).payload)
}
report("codes", closed.map(({code}) => code))
finish(ann)
