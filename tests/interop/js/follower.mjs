// A client whose Presence follows a topic, and what it told of that. In Node and in a page.
import {outcome} from "./waiting.mjs"

const devices = presence => presence === undefined ? null : presence.metas.map(meta => meta.device)

// What two lists must have in common: the metas of each key, in any order. (An update moves a meta to the end of
// a client's list, and leaves it where it is in the server's.)
export function refs(state) {
  return JSON.stringify(Object.getOwnPropertyNames(state).sort().map(key => [key, state[key].metas
    .map(meta => JSON.stringify(Object.entries(meta).filter(([name]) => name !== "phx_ref_prev").sort()))
    .sort()]))
}

export class Follower {
  constructor(Presence, socket, topic, params = {}) {
    this.socket = socket
    this.channel = socket.channel(topic, params)
    this.presence = new Presence(this.channel)
    this.events = []   // presence_... in the order of their coming
    this.notes = []    // what onJoin and onLeave were told
    this.counts = []
    this.syncs = 0
    this.waiting = []
    this.channel.onMessage = (event, payload) => {
      if (event.startsWith("presence_")) { this.events.push(event) }
      return payload
    }
    this.channel.on("presence_count", payload => this.counts.push(payload))
    this.presence.onJoin((key, current, joined) =>
      this.notes.push(["join", key, devices(current), devices(joined)]))
    this.presence.onLeave((key, current, left) =>
      this.notes.push(["leave", key, devices(current), devices(left)]))
    this.presence.onSync(() => {
      this.syncs += 1
      for (const wake of this.waiting.splice(0)) { wake() }
    })
  }

  get list() {
    return Object.fromEntries(this.presence.list((key, presence) => [key, devices(presence)]))
  }

  push(event, payload = {}) {
    return outcome(this.channel.push(event, payload))
  }

  // Leave, and wait until the server has seen it: the client's own leave is "ok" before it is answered.
  async leave() {
    const {channel, socket} = this
    const joinRef = channel.joinRef()
    const hooks = []
    await new Promise(resolve => {
      hooks.push(socket.onClose(resolve), socket.onMessage(({event, join_ref}) => {
        if (["phx_close", "phx_error"].includes(event) && join_ref === joinRef) { resolve() }
      }))
      channel.leave()
    }).finally(() => socket.off(hooks))
  }

  // What was told since this was last asked.
  told() {
    return this.notes.splice(0)
  }

  synced() {
    return new Promise(resolve => this.waiting.push(resolve))
  }

  async until(condition) {
    while (!condition(this.presence.state)) { await this.synced() }
  }

  sees(key, expected) {
    return this.until(state => JSON.stringify(devices(state[key])?.sort() ?? null) === JSON.stringify(expected))
  }

  // Wait until its list is the server's.
  async agrees() {
    for (;;) {
      const next = this.synced()
      const {status, response} = await this.push("list")
      if (status === "ok" && refs(response) === refs(this.presence.state)) { return this }
      await next
    }
  }
}
