// Many clients behind a load balancer, while one of its servers goes away.
//
//   node deploy.mjs <load balancer> <package> <leaving server> <staying server> <how many>
//
// One publisher numbers what it publishes, and publishes every number on the server that stays before
// it does on the one that leaves: so a client that has moved and sees a number again was given it twice.
import {LongPoll, Socket, join, outcome, report, url} from "./lib.mjs"

const [leaving, staying, many] = process.argv.slice(4)
const PACE = 50
const AT_ONCE = 50

class Memory extends Map {
  getItem(key) { return this.get(key) ?? null }
  setItem(key, value) { this.set(key, value) }
}

class Client {
  constructor() {
    this.numbers = []
    this.closes = []
    this.opens = 0
    this.isJoined = false
    this.socket = new Socket(`${url}/socket`, {
      transport: WebSocket, longPollFallbackMs: 10000, sessionStorage: new Memory(),
    })
    this.socket.onOpen(() => { this.opens += 1 })
    this.socket.onClose(({code}) => {
      this.closes.push(code)
      this.isJoined = false
    })
    this.channel = this.socket.channel("numbers")
    this.channel.on("number", ({n}) => {
      this.numbers.push(n)
      changed()
    })
  }

  join() {
    this.socket.connect()
    this.channel.join().receive("ok", () => {
      this.isJoined = true
      changed()
    })
  }

  get result() {
    const repeated = this.numbers.filter((n, place) => place > 0 && n <= this.numbers[place - 1])
    return {
      transport: this.socket.transport === LongPoll ? "longpoll" : "websocket",
      closes: this.closes, opens: this.opens, repeated,
      count: this.numbers.length, last: this.numbers.at(-1),
    }
  }
}

// Wait until something holds; it is looked at whenever anything has changed.
let waiting = []
function changed() {
  const ready = waiting.filter(({holds}) => holds())
  waiting = waiting.filter(one => !ready.includes(one))
  for (const {resolve} of ready) { resolve() }
}
function until(holds) {
  if (holds()) { return Promise.resolve() }
  return new Promise(resolve => { waiting.push({holds, resolve}) })
}

let hasLeft = false
async function publisher(address) {
  const socket = new Socket(`${address}/publisher`, {transport: WebSocket})
  socket.connect()
  const channel = await join(socket, "publisher")
  return {socket, publish: n => outcome(channel.push("publish", {n}))}
}
const first = await publisher(staying)
const second = await publisher(leaving)
second.socket.onClose(() => {
  second.socket.disconnect()
  hasLeft = true
  changed()
})

let number = 0
let isOver = false
async function publish() {
  number += 1
  await first.publish(number)
  if (!hasLeft) { await Promise.race([second.publish(number), until(() => hasLeft)]) }
  if (!isOver) { setTimeout(publish, PACE) }
}
publish()

const clients = Array.from({length: Number(many)}, () => new Client())
for (let begin = 0; begin < clients.length; begin += AT_ONCE) {
  const some = clients.slice(begin, begin + AT_ONCE)
  for (const client of some) { client.join() }
  await until(() => some.every(client => client.isJoined && client.numbers.length > 0))
}
report("joined", {published: number})

// Half of them were on the server that leaves. The publisher may be let go before the last of them is.
const moved = () => clients.filter(({opens}) => opens > 1).length
await until(() => hasLeft && clients.every(client => client.isJoined) && moved() >= clients.length / 2)
isOver = true
await until(() => clients.every(client => client.numbers.at(-1) === number))
report("moved", {published: number, clients: clients.map(client => client.result)})
process.stdout.write("", () => process.exit(0)) // what was reported is more than a pipe takes at once
