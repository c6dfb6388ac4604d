// What the scenarios beside this file share. Each is run by a test of tests/interop as
//
//   node <scenario>.mjs <url of the server> <package> [global|ws|<version of the wire>]
//
// and prints one line of JSON for each thing it did; the test asserts on them. A scenario waits for
// events only. If one never comes, the test that reads these lines gives up, not the scenario.
import ws from "ws"

import {outcome, stream} from "./waiting.mjs"

export {outcome, stream}

export const [url, pkg, variant] = process.argv.slice(2)

// The package under test, as npm installed it: "phoenix", "phoenix-1.7" or Supabase's.
export const {Socket, LongPoll, Presence, RealtimeClient} = await import(pkg)

export function report(step, value = null) {
  process.stdout.write(`${JSON.stringify({step, value})}\n`)
}

// Every frame of every connection, in order (as text what was sent as text); and what each connection was opened and closed with.
export const sent = []
export const texts = []
export const received = []
export const opened = []
export const closed = []

function readable(data) {
  if (typeof data !== "string") { return {binary: Buffer.from(data).toString("hex")} }
  return JSON.parse(data)
}

// A WebSocket that takes notes. The clients take their transport as an option, so they stay as they are.
export class Recording extends (variant === "ws" ? ws : WebSocket) {
  constructor(address, protocols) {
    super(address, protocols)
    const attempt = {address, protocols}
    opened.push(attempt)
    this.addEventListener("open", () => { attempt.protocol = this.protocol })
    this.addEventListener("message", event => received.push(readable(event.data)))
    this.addEventListener("close", ({code, reason}) => {
      closed.push({code, reason, established: "protocol" in attempt})
    })
  }

  send(data) {
    texts.push(data)
    sent.push(readable(data))
    super.send(data)
  }
}

export function open(options = {}, path = "/socket") {
  const socket = new Socket(url + path, {transport: Recording, ...options})
  socket.connect()
  return socket
}

export async function join(socket, topic, params = {}) {
  const channel = socket.channel(topic, params)
  const result = await outcome(channel.join())
  if (result.status !== "ok") { throw new Error(`join of ${topic}: ${JSON.stringify(result)}`) }
  return channel
}

// Close politely, and end.
export function finish(...sockets) {
  for (const socket of sockets) { socket.disconnect() }
  process.exit(0)
}
