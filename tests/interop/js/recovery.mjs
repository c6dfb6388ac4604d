// The helper of the page, bennu.mjs, with a real server: a page loses its network while another client writes.
//
//   node recovery.mjs <url> <package> <2.0.0|1.0.0|polling> <topic> <URL of bennu.mjs> [restart]
import ws from "ws"

import {finish, join, LongPoll, outcome, Presence, Recording, report, Socket, stream, url, variant} from "./lib.mjs"

const [topic, helper, restart] = process.argv.slice(5)
const {recoverable} = await import(helper)

// No network: what is open is cut, and no connection can be made.
let isOffline = false
const fetchOnline = globalThis.fetch
globalThis.fetch = (...args) => isOffline ? Promise.reject(new TypeError("offline")) : fetchOnline(...args)
class Tunnel extends ws {
  constructor(address, protocols) { super(isOffline ? "ws://127.0.0.1:1/" : address, protocols) }
}

const V1 = {
  vsn: "1.0.0",
  encode: ({topic, event, payload, ref}, callback) => callback(JSON.stringify({topic, event, payload, ref})),
  decode: (text, callback) => callback(JSON.parse(text)),
}
const options = {reconnectAfterMs: () => 10, rejoinAfterMs: () => 10, ...(variant === "1.0.0" ? V1 : {})}
const transport = variant === "polling" ? LongPoll : Tunnel

const ann = new Socket(`${url}/socket`, {transport, ...options})
const heard = [], missed = [], recovered = [], bare = []
const room = recoverable(ann, topic, {name: "ann"}, {
  missed: reason => { missed.push(reason) },
  recovered: count => { recovered.push(count) },
})
const said = stream(tell => room.on("said", ({text}) => { heard.push(text); tell(text) }))
room.channel.on("said", ({text}) => bare.push(text))
const presence = new Presence(room.channel)
const synced = stream(tell => presence.onSync(() => tell()))
const joins = stream(tell => room.channel.joinPush.receive("ok", tell))
const lost = stream(tell => room.onError(tell))

async function until(text) {
  while (await said() !== text) { /* the next one */ }
}

ann.connect()
const first = await outcome(room.join())
report("first join", {status: first.status, reason: first.response.recovery?.reason, keys: Object.keys(first.response)})
await joins()

const bob = new Socket(`${url}/socket`, {transport: Recording, reconnectAfterMs: () => 10, rejoinAfterMs: () => 10})
bob.connect()
const other = await join(bob, topic, {name: "bob"})
const say = async (channel, event, text) => {
  const {status} = await outcome(channel.push(event, {text}))
  if (status !== "ok") { throw new Error(`${event} ${text}: ${status}`) }
}

for (const text of ["1", "2", "3"]) { await say(other, "say", text) }
await say(room, "say_to_others", "of ann")
await until("3")

if (restart) {
  report("ready")
  await lost()
  await joins()
} else {
  isOffline = true
  if (variant === "polling") { ann.conn.close() } else { ann.conn.terminate() }
  await lost()
  for (let n = 4; n <= 40; n++) { await say(other, n % 2 ? "say" : "say_to_others", String(n)) }
  isOffline = false
  await joins()
}
await outcome(room.push("say", {text: "back"}))
await until("back")
await say(room, "say", "last")
await until("last")
report("told", {heard, missed, recovered, bare: bare.length})
while (presence.list().length < 2) { await synced() }
report("present", {names: presence.list(name => name), position: /^\d+:.+$/.test(room.position)})

// A page whose state came with a position joins with it.
const eve = new Socket(`${url}/socket`, {transport: Recording})
eve.connect()
const late = recoverable(eve, topic, {name: "eve"}, {missed: reason => { missed.push(reason) }, position: room.position})
await say(room, "say", "after the position")
const lateSaid = stream(tell => late.on("said", ({text}) => tell(text)))
late.join()
report("late", await lateSaid())
finish(ann, bob, eve)
