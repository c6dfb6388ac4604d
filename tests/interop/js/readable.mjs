// Two clients that are refused, one with a status and one in words; who comes back how often?
import {finish, open, opened, report, stream} from "./lib.mjs"

const refused = {params: {refuse: "true"}}
const http = open(refused)
const readable = open(refused, "/readable")
const closes = stream(tell => readable.onClose(tell))
const room = readable.channel("room:refused")
const errors = stream(tell => room.joinPush.receive("error", tell))
const connects = path => opened.filter(({address}) => String(address).includes(`${path}/websocket`)).length

room.join()
report("told", await errors())
const {code, reason} = await closes()
report("closed", {code, reason, connects: connects("/readable")})
await closes()
report("connects", {http: connects("/socket"), readable: connects("/readable")})
finish(http, readable)
