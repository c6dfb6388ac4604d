// Recovery on a page: a channel of phoenix.js that gets what it missed while its connection was lost.
// The channel stays the unmodified one of phoenix.js. A message of a topic with history has its position in the field
// `ref`, as "<offset>:<epoch>". `at` is the position of the last message that was taken, and each join sends it. Only
// messages above `at` are taken, and only while the channel is joined: while it joins, messages of its former join can
// arrive, and only the reply says where the messages after it start. `at` moves before a handler runs, so a handler
// that throws, or leaves and joins, does not get its message twice.

function parse(ref) {
  const found = /^(\d{1,16}):([A-Za-z0-9_-]{1,32})$/.exec(ref)
  return found && {epoch: found[2], offset: Number(found[1])}
}

function given(position, oldest = null) {
  const found = parse(position)
  if (position && !found) {
    throw new TypeError(`expected a position such as "17:k3x", got ${JSON.stringify(position)}: send str(position)`)
  }
  if (found && oldest && found.epoch === oldest.epoch && found.offset < oldest.offset) {
    throw new Error(`missed() loaded an old state, of ${position}: expected ${oldest.offset} or newer`)
  }
  return found
}

const report = error => queueMicrotask(() => { throw error }) // uncaught, but it stops nothing else
const attempt = (callback, ...args) => { try { callback(...args) } catch (error) { report(error) } }

export function recoverable(socket, topic, params, {missed, recovered = () => {}, position} = {}) {
  if (typeof missed !== "function") {
    throw new TypeError("recoverable() needs missed: write recoverable(socket, topic, params, {missed(reason) {...}})")
  }
  const client = crypto.getRandomValues(new Uint32Array(4)).join("-") // tells the server which messages are its own
  let at = given(position)
  let hasState = at !== null // the page has loaded or joined before, so it can miss something
  let loss = null // the reason why `missed` must run
  let waiting = null // the messages that came while `missed` runs
  let handlers = []
  const paramsNow = typeof params === "function" ? params : () => params
  const channel = socket.channel(topic, () => ({...paramsNow(), recovery: {...at, client}}))

  function pass(taken) {
    if (waiting) { return void waiting.push(taken) }
    if (channel.state === "leaving" || channel.state === "closed") { return }
    for (const one of handlers.filter(one => one.event === taken.event)) { attempt(one.callback, ...taken.message) }
  }

  async function load() {
    let reason, loaded
    waiting = []
    do {
      [reason, loss, loaded] = [loss, null, undefined]
      const oldest = at
      try { loaded = given(await missed(reason), oldest) } catch (error) { report(error) }
    } while (loss) // more was missed meanwhile
    if (loaded === undefined) { loss = reason } // it failed: the next join calls it again
    const start = loaded && loaded.epoch === at?.epoch ? loaded.offset : 0
    if (start > at?.offset) { at = loaded }
    const held = waiting.filter(one => one.offset > start)
    waiting = null
    held.forEach(pass)
  }

  channel.joinPush.receive("ok", response => {
    const {recovered: isRecovered, epoch, offset, reason, count} = response?.recovery ?? {}
    const isAhead = isRecovered && at?.epoch === epoch && at.offset > offset // by `missed`, after the join was sent
    if (!isAhead) { at = epoch ? {epoch, offset} : null }
    if (hasState && !isRecovered) {
      loss = at && reason !== "new" ? reason : "no_history"
      if (waiting) { waiting = [] } // what `missed` will load is newer
    }
    hasState = true
    if (loss && !waiting) { load() } else if (isRecovered) { attempt(recovered, count) }
  })

  const hook = channel.onMessage
  channel.onMessage = (event, payload, ref, joinRef) => {
    const handled = hook.call(channel, event, payload, ref, joinRef)
    const found = parse(ref)
    if (found && channel.state === "joined" && found.epoch === at?.epoch && found.offset > at.offset) {
      at = found
      pass({event, offset: found.offset, message: [handled, ref, joinRef]})
    }
    return handled
  }

  return {
    ...Object.fromEntries(["join", "leave", "push", "onClose", "onError"].map(key => [key, channel[key].bind(channel)])),
    channel,
    get position() { return at && !loss && !waiting ? `${at.offset}:${at.epoch}` : null },
    on(event, callback) {
      const ref = channel.on(event, (...message) => { if (!parse(message[1])) { callback(...message) } })
      handlers.push({event, ref, callback})
      return ref
    },
    off(event, ref) {
      channel.off(event, ref)
      handlers = handlers.filter(one => one.event !== event || (ref !== undefined && one.ref !== ref))
    },
  }
}
