// Who is here, as phoenix.js's own Presence follows it:
//
//   node presence.mjs <url> <package> <kind of topic> [polling]
import {LongPoll, Presence, Recording, Socket, finish, outcome, report, url, variant} from "./lib.mjs"
import {Follower} from "./follower.mjs"

const polls = process.argv[5] === "polling"
const room = `${variant}:${process.pid}`
const sockets = []

function connect(options = {}) {
  const socket = new Socket(url + (polls ? "/quick" : "/socket"), {
    transport: polls ? LongPoll : Recording,
    reconnectAfterMs: () => 10,
    ...options,
  })
  sockets.push(socket)
  socket.connect()
  return socket
}

async function enter(key, device, {topic = room, options = {}, ...params} = {}) {
  const follower = new Follower(Presence, connect(options), topic, {key, meta: {device}, ...params})
  const joined = await outcome(follower.channel.join())
  if (joined.status !== "ok") { throw new Error(JSON.stringify(joined)) }
  return follower.agrees()
}

// Others come, with several devices, and go.
const ann = await enter("ann", "a1")
report("alone", {list: ann.list, events: ann.events.splice(0)})
ann.told()
const bob = await enter("bob", "b1")
await ann.sees("bob", ["b1"])
report("another", {list: bob.list, told: ann.told()})
bob.told()
const ann2 = await enter("ann", "a2")
await bob.sees("ann", ["a1", "a2"])
report("second device", {list: ann2.list, told: bob.told()})

// An update is one message, and its user is there all the time.
const before = bob.presence.state.ann.metas[0].phx_ref
const syncs = bob.syncs
await ann.push("update", {key: "ann", meta: {device: "a1 away"}})
await bob.sees("ann", ["a1 away", "a2"])
const updated = bob.presence.state.ann.metas.find(meta => meta.device === "a1 away")
report("update", {
  told: bob.told(),
  syncs: bob.syncs - syncs,
  renewed: updated.phx_ref !== before,
  follows: updated.phx_ref_prev === before,
})
await ann2.leave()
await bob.sees("ann", ["a1 away"])
report("one device less", bob.told())

// A channel that crashes is untracked; it comes back when its client does.
const carol = await enter("carol", "c1", {options: {rejoinAfterMs: () => 1_000_000}})
await bob.sees("carol", ["c1"])
bob.told()
carol.channel.push("crash", {})
await bob.sees("carol", null)
report("crash", bob.told())
carol.socket.disconnect(() => carol.socket.connect())
await bob.sees("carol", ["c1"])
await carol.agrees()
report("back", {told: bob.told(), list: carol.list})

// Who only looks on sees, and is not seen.
const eve = await enter("eve", "e1", {watch: true})
report("observer", {list: eve.list, events: eve.events})

// The state before the diff that has the own join in it.
const fay = await enter("fay", "f1", {state_first: true})
await fay.sees("fay", ["f1"])
await bob.sees("fay", ["f1"])
report("state first", {events: fay.events, told: fay.told().filter(([, key]) => key === "fay")})
report("told of them", bob.told())

// Keys that every object has already, by the engine's own account.
const inherited = Object.getOwnPropertyNames(Object.prototype)
const refusals = []
for (const key of inherited) { refusals.push(await ann.push("track", {key})) }
report("inherited", {refusals, several: inherited.length > 10})
await ann.push("track", {key: "user:constructor", meta: {device: "x"}})
await bob.sees("user:constructor", ["x"])
await ann.push("untrack", {key: "user:constructor"})
await bob.sees("user:constructor", null)
report("alive", {list: (await bob.agrees()).list, told: bob.told()})

// What happened while somebody was away is told when they are back.
await new Promise(resolve => bob.socket.disconnect(resolve))
await ann.sees("bob", null)
await fay.leave()
const gus = await enter("gus", "g1")
bob.told()
bob.socket.connect()
await bob.sees("gus", ["g1"])
await bob.agrees()
await ann.sees("bob", ["b1"])
report("away", {list: bob.list, told: bob.told().filter(([, key]) => key !== "bob")})
const lists = [ann, carol, eve, gus].map(follower => follower.agrees())
report("agreed", (await Promise.all(lists)).map(({list}) => list))

// In a sample a stock client shows the sample, and the count is of all.
const sampled = `sampled:${process.pid}`
const crowd = []
for (const key of ["one", "two", "three"]) {
  const follower = new Follower(Presence, connect(), sampled, {key, meta: {device: key}})
  crowd.push(follower)
  await outcome(follower.channel.join())
  await follower.until(() => follower.counts.at(-1)?.keys === crowd.length)
}
const third = crowd.at(-1)
report("sample", {list: third.list, count: third.counts.at(-1)})
await crowd[0].leave()
await third.until(state => "three" in state)
report("smaller", {list: third.list, told: third.told().slice(-2)})

// A page that is loaded again within the grace time has never been away.
const graced = `graced:${process.pid}`
const hal = await enter("hal", "h1", {topic: graced})
const ivy = await enter("ivy", "i1", {topic: graced})
await hal.sees("ivy", ["i1"])
const ref = hal.presence.state.ivy.metas[0].phx_ref
hal.told()
await ivy.leave()
const again = await enter("ivy", "i1", {topic: graced})
await enter("jim", "j1", {topic: graced})
await hal.sees("jim", ["j1"])
report("grace", {
  told: hal.told(),
  list: again.list.ivy,
  same: again.presence.state.ivy.metas[0].phx_ref === ref,
})
finish(...sockets)
