// A conversation over a connection that compresses: text and binary, both ways, longer and shorter than it is worth.
import {finish, join, open, outcome, report, stream} from "./lib.mjs"

const topic = "room:compressed"
const [ann, bob] = [open({}, "/compressed"), open({}, "/compressed")]
const [anns, bobs] = [await join(ann, topic), await join(bob, topic)]
report("extensions", ann.conn.extensions)

const texts = ["short", "again and again, ".repeat(500), "Grüße, 世界 🐦 ".repeat(200)]
const bobHears = stream(tell => bobs.on("said", tell))
const heard = []
for (const text of texts) {
  const {response} = await outcome(anns.push("echo", {text}))
  anns.push("say", {text})
  heard.push([response.text === text, (await bobHears()).text === text])
}
report("heard", heard)

const drawing = new Uint8Array(5000).map((_, index) => index % 7)
const bobSees = stream(tell => bobs.on("drawn", tell))
anns.push("draw", drawing.buffer)
const seen = new Uint8Array(await bobSees())
report("seen", seen.length === drawing.length && seen.every((value, index) => value === drawing[index]))
finish(ann, bob)
