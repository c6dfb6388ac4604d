// A POST that is not answered in time: error, close, and another try; what is sent then is a new batch.
import {LongPoll, Socket, finish, outcome, report, stream, url} from "./lib.mjs"

const posts = []
let isHeld = false
const send = globalThis.fetch
globalThis.fetch = (address, options) => {
  if (options.method !== "POST") { return send(address, options) }
  posts.push({held: isHeld, events: options.body.split("\n").map(line => JSON.parse(line)[3])})
  if (!isHeld) { return send(address, options) }
  return new Promise((_, reject) => {
    options.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")))
  })
}

const socket = new Socket(`${url}/quick`, {
  transport: LongPoll, longpollerTimeout: 2000, reconnectAfterMs: () => 10, rejoinAfterMs: () => 10,
})
const errors = stream(tell => socket.onError(tell))
const closes = stream(tell => socket.onClose(({code, reason}) => tell({code, reason})))
const room = socket.channel("room:timeout")
const joins = stream(tell => room.joinPush.receive("ok", tell))
socket.connect()
room.join()
await joins()
isHeld = true
room.push("echo", {lost: true})
report("timeout", {error: await errors(), ...await closes()})
isHeld = false
await joins()
report("back", await outcome(room.push("echo", {back: true})))
report("posts", posts)
finish(socket)
