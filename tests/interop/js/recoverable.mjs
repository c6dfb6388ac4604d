// A page with bennu.mjs, against the server of tests/interop/scripted.py, which plays frames and sends commands.
import {finish, Recording, report, Socket, url, variant} from "./lib.mjs"

const {helper, position, params, isLoading} = JSON.parse(process.argv[5])
const {recoverable} = await import(helper)

// What happened on the page, in order.
const log = []
const note = (...what) => log.push(what)
process.on("uncaughtException", error => note("error", error.name, error.message))

const V1 = {
  encode: ({topic, event, payload, ref}, callback) => callback(JSON.stringify({topic, event, payload, ref})),
  decode: (text, callback) => callback(JSON.parse(text)),
}
const options = {transport: Recording, vsn: variant, reconnectAfterMs: () => 10, rejoinAfterMs: () => 10}
const socket = new Socket(`${url}/socket`, {...options, ...(variant === "1.0.0" ? V1 : {})})
let room, second, load, joins = 0

function open(position) {
  room = recoverable(socket, "room:7", params ?? (() => ({join: ++joins})), {
    missed(reason) {
      note("missed", reason)
      if (isLoading) { return new Promise((resolve, reject) => { load = {resolve, reject} }) }
    },
    recovered: count => note("recovered", count),
    position,
  })
  room.on("said", ({n}, ref) => note("said", n, ref))
  second = room.on("said", ({n}) => note("second", n))
  room.channel.on("said", ({n}) => note("bare", n))
  room.on("pushed", ({n}, ref) => note("pushed", n, ref))
  room.onError(() => note("onError", room.channel.state))
  room.onClose(() => note("onClose", room.channel.topic))
  room.join().receive("ok", () => note("ok", room.position)).receive("error", ({reason}) => note("refused", reason))
}

const commands = {
  loaded: position => load.resolve(position),
  failed: message => load.reject(new Error(message)),
  position: () => note("position", room.position),
  off: () => room.off("said", second),
  "off all": () => room.off("said"),
  "off pushed": () => room.off("pushed"),
  on: () => room.on("said", ({n}) => note("third", n)),
  throw: () => room.on("said", ({n}) => { throw new Error(`handler of ${n}`) }),
  push: () => room.push("echo", {n: 1}).receive("ok", ({n}) => note("echoed", n)),
  "time out": () => room.channel.joinPush.trigger("timeout", {}), // what its timer does, but now
  ping: () => socket.ping(() => note("pong", null)),
  leave: () => room.leave().receive("ok", () => note("left", room.channel.topic)),
  again: () => open(room.position),
  "again without": () => open(),
  "leave at 7": () => {
    room.on("said", ({n}) => {
      if (n !== 7) { return }
      const stood = room.position
      room.leave()
      open(stood)
    })
  },
  // Promises and uncaught errors of this turn come first.
  turn: () => setTimeout(() => socket.push({topic: "page", event: "turned", payload: {}, ref: "turn"})),
  finish: () => setTimeout(() => {
    report("log", log)
    finish(socket)
  }),
}
socket.channel("page").on("do", ({what, value}) => commands[what](value))
open(position)
socket.connect()
