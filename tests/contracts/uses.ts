// Right and wrong uses of the shop's types, for `tsc --strict`: an expected error that does not come is an error.
import { Presence, Socket } from "phoenix"
import type {
  AdminChannel, ContractSocket, ContractSocketOptions, Order, Point, ShopChannel, ShopChannelPushes,
} from "./contract"

// Right

const options: ContractSocketOptions = { params: { token: "t" }, timeout: 1000 }
const socket = new Socket("/socket", options) as ContractSocket
socket.connect()
const id: number = 7
const shop: ShopChannel = socket.channel(`shop:${id}`, { token: "t" })
const admin: AdminChannel = socket.channel("admin:high")
socket.channel("shop:8", () => ({ token: "t" }))
socket.channel("star:any:thing")

shop.join(1000)
  .receive("ok", (point) => { const x: number = point.x; console.log(x, point.near?.y) })
  .receive("error", ({ reason, errors }) => { console.log(reason === "closed", errors?.[0].path) })
  .receive("timeout", () => console.log("late"))

const order: Order = { item: { itemName: "pen" }, id: "7f3a" }
const payload: ShopChannelPushes["order"]["payload"] = order
shop.push("order", payload, 500)
  .receive("ok", ({ item, pair }) => console.log(item.size, pair?.[1].length))
  .receive("error", (why) => console.log(why.reason === "locked", "by" in why))
shop.push("draw", { type: "square", side: 1, level: "low" })
shop.push("draw", { type: "circle", radius: 1 }).receive("error", ({ reason }) => reason.length)
shop.push("place", null).receive("ok", ({ name }) => name?.length)
shop.push("image", new ArrayBuffer(1)).receive("ok", (pixels) => pixels.byteLength)
shop.push("later", {}).receive("soon", (point) => point.x)
shop.push("item:add", [{ itemName: "pen", size: 1 }]).receive("ok", (item) => item.itemName)
admin.push("anything else", {}).receive("ok", (found) => found.a)

const ref: number = shop.on("ordered", ({ id }) => id.length)
shop.on("drawn", (shape) => shape.type === "circle" ? shape.radius : shape.side)
shop.on("image", (pixels) => pixels.byteLength)
shop.on("presence_diff", ({ joins }) => Object.values(joins)[0].metas[0].phx_ref)
shop.off("ordered", ref)
new Presence(shop).onSync(() => undefined)
admin.on("said", async (point: Point) => { await Promise.resolve(point.y) })
admin.on("level", (level) => level === "high")

// Wrong: the socket

// @ts-expect-error - the token is missing
const without: ContractSocketOptions = { params: {} }
// @ts-expect-error - the token is a text
const number: ContractSocketOptions = { params: { token: 1 } }

// Wrong: topics and joins

// @ts-expect-error - no such topic
socket.channel("shops:7", { token: "t" })
// @ts-expect-error - the shop's id is a number
socket.channel("shop:seven", { token: "t" })
// @ts-expect-error - no such level
socket.channel("admin:middle")
// @ts-expect-error - the join needs a payload
socket.channel("shop:7")
// @ts-expect-error - of another type
socket.channel("shop:7", { token: 7 })
// @ts-expect-error - the reply to the join has no such field
shop.join().receive("ok", ({ z }) => z)
// @ts-expect-error - there is no such status
shop.join().receive("okay", () => undefined)

// Wrong: pushes

// @ts-expect-error - no such event
shop.push("odrer", order)
// @ts-expect-error - the payload of another event
shop.push("order", { type: "circle", radius: 1 })
// @ts-expect-error - a field is missing
shop.push("order", { item: { itemName: "pen" } })
// @ts-expect-error - a field has another type
shop.push("draw", { type: "circle", radius: "1" })
// @ts-expect-error - no such kind
shop.push("draw", { type: "triangle", side: 1 })
// @ts-expect-error - not bytes
shop.push("image", "pixels")
// @ts-expect-error - the event has no reply
shop.push("draw", { type: "circle", radius: 1 }).receive("ok", () => undefined)
// @ts-expect-error - the reply has no such field
shop.push("order", order).receive("ok", ({ price }) => price)
// @ts-expect-error - a known event needs its own payload, also where any other event is taken
admin.push("say", "hello")

// Wrong: events of the server

// @ts-expect-error - no such event
shop.on("orderd", () => undefined)
// @ts-expect-error - the event has another payload
shop.on("ordered", (point: Point) => point.x)
// @ts-expect-error - no such field
admin.on("said", ({ w }) => w)
// @ts-expect-error - no such level
admin.on("level", (level) => level === "middle")
// @ts-expect-error - no such event
shop.off("said")
