// A join that takes longer than the client waits: it gives up, and tries again, until it is let in.
import {finish, join, open, outcome, received, report, sent, stream} from "./lib.mjs"

const gate = `timeout-${process.pid}`
const tries = []
const socket = open({rejoinAfterMs: count => {
  tries.push(count)
  return 10
}})
const keeper = open()
const keepers = await join(keeper, "room:keeper")

const room = socket.channel(`gate:${gate}`)
const push = room.join(60)
const timeouts = stream(tell => push.receive("timeout", tell))
const joins = stream(tell => push.receive("ok", tell))
const oks = []
push.receive("ok", () => oks.push("ok"))
const events = () => sent.filter(frame => frame[2] === room.topic).map(frame => frame[3])
const impatient = outcome(room.push("echo", {of: "the impatient"}, 20))
const patient = outcome(room.push("echo", {of: "the patient"}, 20000))

await timeouts()
report("first", {state: room.state, events: events(), tries: tries.length, timeout: push.timeout})
await timeouts()
await timeouts()
const rounds = sent.filter(frame => frame[2] === room.topic).slice(0, 6)
report("rounds", rounds.map(([joinRef, , , event]) => [Number(joinRef) - Number(rounds[0][0]), event]))

await outcome(keepers.push("open_gate", {text: gate}))
await joins()
const replies = received.filter(frame => frame[2] === room.topic && frame[4].status === "ok")
report("late", {replies: replies.some(frame => frame[1] === rounds[0][1]), hooks: oks.length})
report("joined", {state: room.state, tries: room.rejoinTimer.tries})
report("impatient", await impatient)
report("patient", await patient)
report("echoes", sent.filter(frame => frame[3] === "echo").map(frame => frame[4].of))

// Nothing more is sent once it is in: not when the time for the join has long passed.
const before = sent.length
await outcome(room.push("silent", {}, 120))
report("afterwards", sent.slice(before).map(frame => frame[3]))
finish(socket, keeper)
