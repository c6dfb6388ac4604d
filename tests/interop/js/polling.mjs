// Long polling, in Node (over fetch) and in a page (over XMLHttpRequest): what both can do.
//
// run({Socket, LongPoll, url, report, requests, user}): `requests` are those sent so far, each with its
// method, address, headers and body.
import {outcome, stream} from "./waiting.mjs"

const lines = request => request.body.split("\n")

function events(request) {
  return lines(request).filter(line => line.startsWith("[")).map(line => JSON.parse(line)[3])
}

export async function run({Socket, LongPoll, url, report, requests, user}) {
  const open = (options = {}, path = "/socket") => {
    const socket = new Socket(url + path, {transport: LongPoll, ...options})
    socket.connect()
    return socket
  }
  const posts = () => requests.filter(
    request => request.method === "POST" && request.address.includes(`${user}-ann`))
  const join = async (socket, topic, params = {}) => {
    const channel = socket.channel(topic, params)
    const result = await outcome(channel.join())
    if (result.status !== "ok") { throw new Error(`join of ${topic}: ${JSON.stringify(result)}`) }
    return channel
  }

  const ann = open({params: {user: `${user}-ann`}})
  report("endpoint", {pollEndpoint: ann.conn.pollEndpoint, timeout: ann.conn.timeout})
  const room = ann.channel("room:poll", {asked: "nicely"})
  report("joined", {...await outcome(room.join()), state: room.state})
  report("first requests", requests.slice(0, 2).map(({method, headers}) => ({method, headers})))
  report("first address", requests[0].address)
  report("first body", JSON.parse(posts()[0].body))
  for (const topic of ["room:private", "room:broken", "nowhere"]) {
    const channel = ann.channel(topic)
    report(topic, await outcome(channel.join()))
    channel.leave()
  }

  // Pushes and their replies.
  report("ok", await outcome(room.push("echo", {text: "Grüße, 世界 🐦", list: [1, null, {}]})))
  report("error", await outcome(room.push("fail", {})))
  report("refused", await outcome(room.push("refuse", {})))
  report("custom", await outcome(room.push("custom", {})))
  report("unknown", await outcome(room.push("no such event", {})))
  report("silent", await outcome(room.push("silent", {}, 30)))

  // Bytes: they reach the server, and can't come back.
  report("weighed", await outcome(room.push("weigh", Uint8Array.from([0, 1, 254, 255]).buffer)))
  report("binary line", lines(posts().at(-1)))
  report("bytes back", await outcome(room.push("echo", Uint8Array.from([1]).buffer)))

  // Broadcasts between two who poll.
  const bob = open({params: {user: `${user}-bob`}})
  const bobs = await join(bob, "room:poll")
  const heard = {ann: [], bob: []}
  const [annHears, bobHears] = [["ann", room], ["bob", bobs]].map(
    ([name, channel]) => stream(tell => channel.on("said", payload => {
      heard[name].push(payload.text)
      tell(payload)
    })))
  room.push("say", {text: "ann to all"})
  await Promise.all([annHears(), bobHears()])
  bobs.push("say_to_others", {text: "bob to others"})
  await annHears()
  room.push("say_to_me", {text: "ann to herself"})
  await annHears()
  bobs.push("draw", Uint8Array.from([1, 2, 3]).buffer)  // passes both by
  await outcome(bobs.push("echo", {}))
  await outcome(room.push("echo", {}))
  report("heard", heard)

  // Sends of one turn are one POST; those during an unanswered POST wait for its answer.
  let before = posts().length
  await Promise.all([1, 2, 3].map(number => outcome(room.push("echo", {number}))))
  report("one turn", posts().slice(before).map(events))
  const gate = ann.channel(`gate:${user}`)
  before = posts().length
  const entering = outcome(gate.join())
  await outcome(bobs.push("echo", {}))  // by now, ann's POST is on its way
  const echoes = [1, 2].map(number => outcome(room.push("echo", {number})))
  await outcome(bobs.push("echo", {}))
  const meanwhile = posts().slice(before).map(events)
  await outcome(bobs.push("open_gate", {text: user}))
  await entering
  await Promise.all(echoes)
  const later = posts().slice(before).map(events)
  report("unanswered", {meanwhile, later})

  // What is more than a hundred is sent in several, in order.
  before = posts().length
  const many = await Promise.all(
    Array.from({length: 150}, (_, number) => outcome(room.push("echo", {number}))))
  report("many", {
    posts: posts().slice(before).map(request => lines(request).length),
    order: many.every(({response}, number) => response.number === number),
  })

  // Leaving, crashing.
  const left = await join(ann, "room:left")
  report("left", {...await outcome(left.leave()), state: left.state})
  const crashing = open({params: {user: `${user}-eve`}, rejoinAfterMs: () => 10})
  const broken = crashing.channel("room:crash")
  const joins = stream(tell => broken.joinPush.receive("ok", tell))
  const errors = stream(tell => broken.onError(tell))
  broken.join()
  await joins()
  broken.push("crash", {})
  report("crashed", {error: await errors()})
  await joins()
  report("rejoined", await outcome(broken.push("echo", {back: true})))
  for (const socket of [ann, bob, crashing]) { socket.disconnect() }
}

// What 1.8 does when its session ends, or is refused. (1.7 takes a session that is gone for a new one, does
// not rejoin, and goes on polling for connections that it has replaced.)
export async function recover({Socket, LongPoll, url, report, user}) {
  const open = options => {
    const socket = new Socket(`${url}/socket`, {transport: LongPoll, ...options})
    socket.connect()
    return socket
  }
  const ending = open({params: {user: `${user}-eve`}, rejoinAfterMs: () => 10})
  const room = ending.channel("room:end")
  const joins = stream(tell => room.joinPush.receive("ok", tell))
  room.join()
  await joins()
  await outcome(room.push("echo", {}))
  const closes = stream(tell => ending.onClose(({code, reason}) => tell({code, reason})))
  const losses = stream(tell => ending.onError(tell))
  const whole = stream(tell => ending.onOpen(tell))
  room.push("disconnect", {})
  report("session ended", {error: await losses(), ...await closes()})
  await whole()
  await joins()
  report("came back", await outcome(room.push("echo", {again: true})))
  ending.disconnect()

  // A connect that is refused, until the parameters are better.
  let connects = 0
  const refused = open({
    params: () => ++connects < 3 ? {refuse: "true"} : {user: "better"},
    reconnectAfterMs: () => 10,
  })
  const refusals = stream(tell => refused.onClose(({code, reason}) => tell({code, reason})))
  const accepted = stream(tell => refused.onOpen(tell))
  report("refusals", [await refusals(), await refusals()])
  await accepted()
  report("accepted", connects)

  refused.disconnect()
}

// A token beside the URL (1.8 only).
export async function authenticate({Socket, LongPoll, url, report, requests, user}) {
  const begun = requests.length
  const options = {transport: LongPoll, params: {user}, authToken: "1234"}
  const socket = new Socket(`${url}/auth`, options)
  socket.connect()
  const room = socket.channel("room:auth")
  await outcome(room.join())
  const {response: {token}} = await outcome(room.push("whoami", {}))
  const mine = requests.slice(begun).filter(({address}) => address.includes("/auth/"))
  report("token", {
    token,
    headers: [...new Set(mine.map(({method, headers}) => `${method} ${headers["X-Phoenix-AuthToken"]}`))],
    "in the URL": mine.some(({address}) => address.includes("1234")),
  })
  for (const protocols of [undefined, null, [], ["phoenix"]]) {
    const bare = new LongPoll(`${url}/socket/websocket?vsn=2.0.0`, protocols)
    await new Promise(resolve => { bare.onopen = resolve })
    bare.close()
  }
  report("without protocols")
  socket.disconnect()
}
