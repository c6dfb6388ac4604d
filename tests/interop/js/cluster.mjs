// Chat and presence of clients on two nodes, and long polling through both:
//
//   node cluster.mjs <url of one node> <package> <transport> <url of the other node> <kind of topic> <room>
import {LongPoll, Presence, Recording, Socket, closed, join, outcome, report, stream, url} from "./lib.mjs"
import {Follower} from "./follower.mjs"

const [other, kind, name] = process.argv.slice(5)
const room = `room:${name}`

const connect = (base, user, options = {}, path = "/socket") => {
  const socket = new Socket(base + path, {
    transport: Recording, params: {name: user}, reconnectAfterMs: () => 10, rejoinAfterMs: () => 10, ...options,
  })
  socket.connect()
  return socket
}

// A chat: text and bytes, to all and to others.
const ann = await join(connect(url, "ann"), room)
const bob = await join(connect(other, "bob"), room)
const heard = {ann: [], bob: []}
const [annHears, bobHears] = Object.entries({ann, bob}).map(([user, channel]) => stream(tell => {
  channel.on("said", ({text, by}) => { heard[user].push(`${by}: ${text}`); tell() })
  channel.on("drawn", bytes => { heard[user].push(Buffer.from(bytes).toString("hex")); tell() })
}))
const both = () => Promise.all([annHears(), bobHears()])
ann.push("say", {text: "hello"})
await both()
bob.push("say", {text: "Grüße 🐦"})
await both()
ann.push("say_to_others", {text: "psst"})
await bobHears()
bob.push("draw", Uint8Array.from([0, 1, 254, 255]).buffer)
await both()
ann.push("draw_for_others", Uint8Array.from([7]).buffer)
await bobHears()
ann.push("say", {text: "bye"})
await both()
report("heard", heard)

// Who is here: devices on both nodes, an update, a leave, a connection that is lost.
const people = `${kind}:${name}`
const follow = async (base, user, device) => {
  const params = device === undefined ? {} : {device}
  const follower = new Follower(Presence, connect(base, user), people, params)
  await outcome(follower.channel.join())
  return follower.agrees()
}
const phone = await follow(url, "cid", "phone")
const desk = await follow(other, "dan", "desk")
await phone.sees("dan", ["desk"])
await desk.sees("cid", ["phone"])
report("two", {phone: phone.list, desk: (await desk.agrees()).list})
const tablet = await follow(other, "cid", "tablet")
for (const one of [phone, desk, tablet]) { await one.sees("cid", ["phone", "tablet"]) }
phone.told()
await desk.push("update", {key: "dan", meta: {device: "desk, away"}})
await phone.sees("dan", ["desk, away"])
report("update", phone.told())
await tablet.leave()
await phone.sees("cid", ["phone"])
report("one device less", phone.told())
await desk.leave()
await phone.sees("dan", null)
report("left", phone.told())

// The server closes a connection on the other node; the client comes back by itself.
const again = stream(tell => bob.joinPush.receive("ok", tell))
await again()  // it has joined
const before = closed.length
await outcome(ann.push("disconnect", {id: "users:bob"}))
await again()
report("disconnected", closed.slice(before).map(({code}) => code))
ann.push("say", {text: "welcome back"})
await both()
report("back", heard.bob.at(-1))

// Long polling, as a fallback: the WebSocket is refused. Each poll goes to the next node, and so does each post. (1.7 polls only in pages.)
if (process.argv[3] === "phoenix") {
  const hosts = [url, other].map(base => new URL(base).host)
  const requests = []
  const send = globalThis.fetch
  globalThis.fetch = (address, options) => {
    const target = new URL(address)
    const earlier = requests.filter(request => request.startsWith(options.method)).length
    target.host = hosts[earlier % 2]
    requests.push(`${options.method} ${hosts.indexOf(target.host)}`)
    return send(target, options)
  }
  const pam = await join(connect(url, "pam", {longPollFallbackMs: 5_000}, "/polled"), room)
  report("fell back", pam.socket.transport === LongPoll)
  const texts = []
  const pamHears = stream(tell => pam.on("said", ({text, by}) => { texts.push(`${by}: ${text}`); tell() }))
  for (const number of [1, 2, 3, 4]) {
    for (const one of [ann, bob, pam]) {
      one.push("say", {text: String(number)})
      await Promise.all([annHears(), bobHears(), pamHears()])
    }
    await outcome(pam.push("echo", {}))
  }
  pam.push("draw", Uint8Array.from([9]).buffer)
  await both()
  report("polled", {texts, ways: [...new Set(requests)].sort(), drawn: heard.ann.at(-1)})
}
process.exit(0)
