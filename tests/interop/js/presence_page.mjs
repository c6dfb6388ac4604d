// A page that lists who is here.
import {Presence, Socket} from "./phoenix.mjs"

const query = new URLSearchParams(location.search)
const socket = new Socket(`${location.origin.replace("http", "ws")}/socket`)
const room = socket.channel(`present:page-${query.get("room")}`, {key: query.get("name")})
const presence = new Presence(room)
presence.onSync(() => {
  document.querySelector("ul").textContent = presence.list(key => key).sort().join(" ")
})
socket.connect()
room.join()
