// The static functions of phoenix.js's Presence on what our server sends, and its events under other names.
import {Presence, finish, open, pkg, report, stream} from "./lib.mjs"

const topic = `present:api-${process.pid}`
const enter = (key, device) => {
  const channel = open().channel(topic, {key, meta: {device}})
  const states = stream(tell => channel.on("presence_state", tell))
  const diffs = stream(tell => channel.on("presence_diff", tell))
  channel.join()
  return {channel, states, diffs}
}
const devices = state => Object.fromEntries(
  Presence.list(state, (key, {metas}) => [key, metas.map(meta => meta.device)]))

const ann = enter("ann", "a1")
const own = await ann.diffs()
const first = await ann.states()
const empty = {}
report("state", {
  from_empty: devices(Presence.syncState(empty, first)),
  original: empty,
  default_list: JSON.stringify(Presence.list(first)) === JSON.stringify([first.ann]),
})
report("diff", devices(Presence.syncDiff({}, own)))

const ann2 = enter("ann", "a2")
const second = await ann.diffs()
const both = Presence.syncDiff(JSON.parse(JSON.stringify(first)), second)
report("behind", devices(both))
ann2.channel.leave()
const third = await ann.diffs()
const one = devices(Presence.syncDiff(JSON.parse(JSON.stringify(both)), third))
report("one less", one)
report("none", devices(Presence.syncDiff(JSON.parse(JSON.stringify(first)), {joins: {}, leaves: first})))

// What the server refuses for the sake of older clients, 1.8 would bear.
if (pkg === "phoenix") {
  const hostile = JSON.parse('{"__proto__": {"metas": [{"phx_ref": "1"}]}, "constructor": {"metas": [{"phx_ref": "2"}]}}')
  report("hostile", Object.getOwnPropertyNames(Presence.syncState({}, hostile)).sort())
}

// Other names for the two events: the server's own code sends them.
const named = new Presence(ann.channel, {events: {state: "who", diff: "who_changed"}})
const syncs = stream(tell => named.onSync(() => tell(devices(named.state))))
ann.channel.push("rename", {state: "who", diff: "who_changed"})
report("renamed", [await syncs(), await syncs()])
finish()
