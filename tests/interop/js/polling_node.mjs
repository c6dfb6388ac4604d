// Long polling in Node, which has fetch and no XMLHttpRequest.
import {LongPoll, Socket, join, open, outcome, report, stream, url} from "./lib.mjs"
import {authenticate, recover, run} from "./polling.mjs"

const requests = []
let polls = Promise.resolve()
const send = globalThis.fetch
globalThis.fetch = async (address, options) => {
  requests.push({address: String(address), ...options, signal: null})
  if (options.method === "GET") { await polls }
  return send(address, options)
}
const world = {Socket, LongPoll, url, report, requests, user: `node-${process.pid}`}
await run(world)
await recover(world)
await authenticate(world)

// The session ends between two polls: another connection of the same user has it ended.
const params = {user: `gone-${process.pid}`}
const socket = new Socket(`${url}/socket`, {transport: LongPoll, params})
const closes = stream(tell => socket.onClose(({code, reason}) => tell({code, reason})))
const errors = stream(tell => socket.onError(tell))
const room = socket.channel("room:gone")
const joins = stream(tell => room.joinPush.receive("ok", tell))
socket.connect()
room.join()
await joins()
const witness = open({params})
const ends = stream(tell => witness.onClose(tell))
const theirs = await join(witness, "room:gone")
let goOn
polls = new Promise(resolve => { goOn = resolve })
await outcome(room.push("echo", {}))  // its answer comes by the poll that is under way; the next waits
theirs.push("disconnect", {})
await ends()
goOn()
report("session gone", {error: await errors(), ...await closes()})
await joins()
report("back again", await outcome(room.push("echo", {back: true})))
for (const one of [socket, witness]) { one.disconnect() }

report("transport", {fetch: requests.length > 0, xhr: "XMLHttpRequest" in globalThis})
process.exit(0)
