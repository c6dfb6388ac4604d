// Many pages in one process, for tests/recovery:
//
//   node talkers.mjs <url> <package> <path of bennu.mjs> <JSON: [[name, [topic, ...]], ...]>
//
// Each page has a socket of its own, and makes each of its topics recoverable. It prints a line of JSON for each thing that
// happens. It reads lines of JSON: {name, topic, event, message} pushes a message.
import {createInterface} from "node:readline"
import ws from "ws"

const [url, pkg, helper, pages] = process.argv.slice(2)
const {Socket} = await import(pkg)
const {recoverable} = await import(helper)

globalThis.crypto ??= (await import("node:crypto")).webcrypto

const tell = line => process.stdout.write(`${JSON.stringify(line)}\n`)
const rooms = new Map()

for (const [name, topics] of JSON.parse(pages)) {
  const socket = new Socket(`${url}/socket`, {
    transport: ws,
    reconnectAfterMs: tries => Math.min(100 * 2 ** tries, 2000) * (0.5 + Math.random()),
    rejoinAfterMs: tries => Math.min(200 * 2 ** tries, 2000) * (0.5 + Math.random()),
  })
  for (const topic of topics) {
    const room = recoverable(socket, topic, {}, {missed: reason => { tell({what: "missed", name, topic, reason}) }})
    room.on("said", (payload, ref) => {
      const [offset, epoch] = ref.split(":")
      tell({what: "seen", name, topic, epoch, offset: Number(offset), message: payload.id})
    })
    room.join().receive("ok", ({recovery}) => tell({what: "joined", name, topic, ...recovery}))
    room.onError(() => tell({what: "left", name, topic}))
    rooms.set(`${name} ${topic}`, room)
  }
  socket.connect()
}

createInterface({input: process.stdin}).on("line", line => {
  const {name, topic, event, message} = JSON.parse(line)
  const room = rooms.get(`${name} ${topic}`)
  room.push(event, {id: message}, 30_000).receive("ok", () => tell({what: "confirmed", message}))
})
process.stdin.on("end", () => process.exit(0))
