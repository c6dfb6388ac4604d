// Joins that succeed, that are refused, that crash, and of a topic that nobody has.
import {finish, open, outcome, report, sent} from "./lib.mjs"

let connects = 0
const socket = open({params: () => ({user: `ann-${++connects}`, tags: ["a", "b"], nothing: null})})

const lobby = socket.channel("room:lobby", () => ({asked: "nicely"}))
const push = lobby.join(1234)
report("joining", {state: lobby.state, timeout: push.timeout})
const calls = []
push.receive("ok", () => calls.push("before"))
push.receive("error", () => calls.push("error"))
push.receive("timeout", () => calls.push("timeout"))
report("joined", {...await outcome(push), state: lobby.state})
push.receive("ok", () => calls.push("after"))
report("hooks", {
  calls,
  timer: push.timeoutTimer,
  tries: lobby.rejoinTimer.tries,
  waiting: lobby.bindings.filter(binding => binding.event.startsWith("chan_reply_")).length,
})
report("first frame", sent[0])
try { lobby.join() } catch (error) { report("joined twice", error.message) }

for (const topic of ["room:private", "room:broken", "nowhere"]) {
  const channel = socket.channel(topic)
  const refusal = outcome(channel.join())
  channel.push("echo", {})
  const reply = await refusal
  report(topic, {
    ...reply,
    state: channel.state,
    kept: channel.pushBuffer.length,
    timer: channel.joinPush.timeoutTimer,
  })
  channel.leave()
}
finish(socket)
