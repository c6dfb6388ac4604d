// Many clients come, go, change, crash and lose their connections at random; whenever it is quiet, the list of
// each is the server's, and the server's is what it should be:
//
//   node presence_soak.mjs <url> <package> <kind of topic> <seed> <clients> <actions>
import {Presence, Socket, finish, outcome, report, url, variant} from "./lib.mjs"
import {Follower, refs} from "./follower.mjs"

const [seed, size, actions] = process.argv.slice(5).map(Number)
const topic = `${variant}:soak-${process.pid}`
const QUIET_EVERY = 100
const STUCK_AFTER = 15_000  // only to say what is wrong; nothing waits for it

// Chance that can be had again: mulberry32.
let state = seed
function random() {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}
const below = bound => Math.floor(random() * bound)
const chance = share => random() < share

// One client: a device of a user who has about two of them. It says how often it has changed.
class Member {
  constructor(number) {
    this.key = `user-${below(size / 2)}`
    this.device = `d${number}`
    this.version = 0
    this.socket = new Socket(`${url}/socket`, {reconnectAfterMs: () => 10, rejoinAfterMs: () => 10})
    this.socket.connect()
    this.follower = null
  }

  get meta() {
    return {device: this.device, version: this.version}
  }

  join() {
    const params = () => ({key: this.key, meta: this.meta})
    this.follower = new Follower(Presence, this.socket, topic, params)
    this.follower.channel.join()
  }

  // One who joins anew while the server still has them from before gets diffs meant for their last stay. The client
  // keeps these until it has the new state, and then applies old news to it, which nobody takes back. So we leave
  // only what is joined, and wait until the server has seen it.
  get canLeave() {
    return this.socket.isConnected() && this.follower.channel.state === "joined"
  }

  async leave() {
    const {follower} = this
    this.follower = null
    await follower.leave()
  }

  update() {
    this.version += 1
    this.follower.channel.push("update", {key: this.key, meta: this.meta})
  }

  crash() {
    this.follower.channel.push("crash", {})
  }

  reconnect() {
    this.socket.conn?.close()
  }
}

const members = Array.from({length: size}, (_, number) => new Member(number))
const done = {join: 0, leave: 0, update: 0, crash: 0, reconnect: 0}
const CHOICES = ["update", "update", "leave", "crash", "reconnect"]

function choose(member) {
  if (member.follower === null) { return "join" }
  const action = CHOICES[below(CHOICES.length)]
  return action === "leave" && !member.canLeave ? "update" : action
}

async function act(member) {
  const action = choose(member)
  done[action] += 1
  await member[action]()
}

// Who should be here, and who is: what a list says, but for its refs.
function expected() {
  return members.filter(({follower}) => follower !== null)
    .map(({key, device, version}) => `${key} ${device} ${version}`).sort()
}

function said(list) {
  return Object.entries(list).flatMap(([key, {metas}]) =>
    metas.map(({device, version}) => `${key} ${device} ${version}`)).sort()
}

const without = (list, other) => list.filter(entry => !other.includes(entry))

let performed = 0
async function agrees(member, wanted, stuck) {
  const {follower} = member
  for (;;) {
    const next = follower.synced()
    const answer = await Promise.race([follower.push("list"), next])  // it may be lost with its connection
    if (answer === undefined) { continue }
    const {status, response} = answer
    const list = follower.presence.state
    const server = status === "ok" ? said(response) : []
    if (`${server}` === `${wanted}` && refs(response) === refs(list)) { return }
    stuck.set(member.device, {
      status,
      channel: follower.channel.state,
      "not listed": without(wanted, server),
      "wrongly listed": without(server, wanted),
      "not seen": without(server, said(list)),
      "wrongly seen": without(said(list), server),
    })
    await next
    stuck.delete(member.device)
  }
}

async function quiet() {
  const wanted = expected()
  const stuck = new Map()
  const timer = setTimeout(() => {
    report("stuck", {seed, performed, stuck: Object.fromEntries(stuck)})
    process.exit(1)
  }, STUCK_AFTER)
  const present = members.filter(({follower}) => follower !== null)
  await Promise.all(present.map(member => agrees(member, wanted, stuck)))
  clearTimeout(timer)
  report(`quiet ${performed}`, present.length)
}

report("seed", seed)
for (const member of members) { if (chance(0.7)) { member.join() } }
await quiet()
while (performed < actions) {
  await act(members[below(size)])
  performed += 1
  if (chance(0.3)) { await new Promise(setImmediate) }
  const someone = members[below(size)].follower
  if (someone !== null && chance(0.1)) { await outcome(someone.channel.push("list", {}, 1000)) }
  if (performed % QUIET_EVERY === 0 || performed === actions) { await quiet() }
}
report("done", done)
finish(...members.map(({socket}) => socket))
