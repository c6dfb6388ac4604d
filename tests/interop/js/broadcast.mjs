// Broadcasts from each of two clients to both, to the other alone, and a push to oneself.
import {finish, join, open, outcome, received, report, stream} from "./lib.mjs"

const topic = "room:broadcast"
const [ann, bob] = [open(), open()]
const [anns, bobs, elsewhere] = [
  await join(ann, topic), await join(bob, topic), await join(bob, "room:elsewhere"),
]
const heard = {ann: [], bob: [], elsewhere: []}
const hearing = Object.entries({ann: anns, bob: bobs, elsewhere}).map(
  ([name, channel]) => channel.on("said", payload => heard[name].push(payload.text)))
const [annHears, bobHears] = [anns, bobs].map(channel => stream(tell => channel.on("said", tell)))

const called = stream(tell => anns.on("said", (...args) => tell(args)))
anns.push("say", {text: "ann to all"})
const [payload, ref, joinRef] = await called()
report("arguments", {payload, ref, own: joinRef === anns.joinRef()})
await Promise.all([annHears(), bobHears()])
bobs.push("say", {text: "bob to all"})
await Promise.all([annHears(), bobHears()])
anns.push("say_to_others", {text: "ann to others"})
await bobHears()
bobs.push("say_to_others", {text: "bob to others"})
await annHears()
anns.push("say_to_me", {text: "ann to herself"})
await annHears()
// Whatever else was to come, came before these replies.
await outcome(anns.push("echo", {}))
await outcome(bobs.push("echo", {}))
report("heard", heard)
report("broadcast frame", received.find(frame => frame[4].text === "ann to all"))
report("push frame", received.find(frame => frame[4].text === "ann to herself"))

// Handlers are removed by their ref, one of them while it is called, and by their event.
anns.off("said", hearing[0])
const calls = []
const once = anns.on("said", () => {
  anns.off("said", once)
  calls.push("once")
})
anns.on("said", () => calls.push("always"))
anns.push("say", {text: "again"})
await annHears()
anns.push("say", {text: "and again"})
await annHears()
anns.off("said")
anns.push("say", {text: "to nobody"})
await outcome(anns.push("echo", {}))
report("handlers", {heard: heard.ann.length, calls})
finish(ann, bob)
