// Subscribing, being refused, broadcasting both ways, heartbeats, unsubscribing.
import {finish, report, sent, stream} from "./lib.mjs"
import {broadcast, client, fields, subscribe} from "./supabase_lib.mjs"

const beats = []
let beaten = () => {}
const ann = client({heartbeatIntervalMs: 500, heartbeatCallback: status => beaten(beats.push(status))})
const bob = client()

const refused = subscribe(ann.channel("secret", {config: {private: true}}))
report("refused", await refused.status())
report("removed", await ann.removeChannel(refused.channel))
await ann.setAuth("user-jwt")
report("allowed", await subscribe(ann.channel("secret", {config: {private: true}})).status())

const anns = subscribe(ann.channel("lobby", {config: {broadcast: {self: true, ack: true}}}))
const bobs = subscribe(bob.channel("lobby"))
report("subscribed", [await anns.status(), await bobs.status()])
const joins = sent.map(fields).filter(({topic, event}) => topic === "realtime:lobby" && event === "phx_join")
report("configs", joins.map(({payload}) => payload.config.broadcast))

const heard = {ann: [], bob: []}
const listen = (name, channel) => stream(tell => channel.on("broadcast", {event: "said"}, message => {
  heard[name].push(message.payload.text)
  tell(message)
}))
const [annHears, bobHears] = [listen("ann", anns.channel), listen("bob", bobs.channel)]
report("acknowledged", await broadcast(anns.channel, "said", {text: "from ann"}))
report("message", [await annHears(), await bobHears()])
report("sent", await broadcast(bobs.channel, "said", {text: "from bob"}))
await annHears()
const push = type => bobs.channel.send({type, event: type, payload: {}})
report("echo", await push("echo"))
report("fail", await push("fail"))
report("heard", heard)

while (!beats.includes("ok")) { await new Promise(resolve => { beaten = resolve }) }
report("heartbeat", beats.slice(0, 2))

report("unsubscribed", await anns.channel.unsubscribe())
report("closed", {status: await anns.status(), channels: ann.getChannels().map(({topic}) => topic)})
report("close", await broadcast(bobs.channel, "close"))
report("closed by the server", await bobs.status())
finish(ann, bob)
