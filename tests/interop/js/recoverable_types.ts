// Right and wrong uses of bennu.d.ts, for `tsc --strict`: an expected error that does not come is an error.
import {Presence, Socket} from "phoenix"
import {recoverable} from "/socket/bennu.mjs"
import type {Position, Reason, Recoverable, Recovery} from "/socket/bennu.mjs"
import {recoverable as fromElsewhere} from "../assets/bennu.mjs"

const socket = new Socket("/socket")

async function load(): Promise<{position: Position, messages: string[]}> {
  return (await fetch("/rooms/7")).json()
}

// Right

const room = recoverable(socket, "room:7", {token: "t"}, {
  position: (await load()).position,
  async missed(reason) {
    const why: Reason = reason
    console.log(why)
    return (await load()).position
  },
  recovered(count) { console.log(count.toFixed()) },
})
const ref: number = room.on("said", ({text}, ref, joinRef) => console.log(text, ref, joinRef))
room.off("said", ref)
room.off("said")
room.onError(() => console.log("lost"))
room.onClose(() => console.log("closed"))
room.join().receive("ok", ({hello}) => console.log(hello)).receive("error", console.log)
room.push("say", {text: "hello"}, 1000).receive("ok", console.log)
room.leave()
new Presence(room.channel).onSync(() => undefined)
const position: Position | null = room.position

recoverable(socket, "room:7", () => ({token: "t"}), {missed: () => location.reload()})
recoverable(socket, "room:7", undefined, {missed: async () => undefined, position})
fromElsewhere(socket, "room:7", {}, {missed: () => null})

const untyped: any = socket
recoverable(untyped, "room:7", {}, {missed() {}}).join().receive("ok", () => undefined)

const recovery: Recovery = {missed(reason) { console.log(reason === "trimmed" || reason === "epoch") }}
const kept: Recoverable = recoverable(socket, "room:7", {}, recovery)
kept.on("said", () => undefined)

// Wrong

// @ts-expect-error - nothing says what the page does if messages are lost
recoverable(socket, "room:7", {})
// @ts-expect-error - the same
recoverable(socket, "room:7", {}, {recovered() {}})
// @ts-expect-error - a position is a text
recoverable(socket, "room:7", {}, {missed() {}, position: {epoch: "k3x", offset: 17}})
// @ts-expect-error - so is the position of a loaded state
recoverable(socket, "room:7", {}, {missed: async () => 17})
// @ts-expect-error - a channel instead of a socket
recoverable(socket.channel("room:7"), "room:7", {}, {missed() {}})
// @ts-expect-error - params are an object or a function
recoverable(socket, "room:7", "token", {missed() {}})
// @ts-expect-error - there is no such reason
recoverable(socket, "room:7", {}, {missed(reason) { return reason === "timeout" ? null : null }})
// @ts-expect-error - the position is the helper's
room.position = "17:k3x"
// @ts-expect-error - a function of the channel of phoenix.js that the helper uses itself
room.onMessage = () => undefined
