// A page that is traced: its payloads have the context of its span, as the propagator of OpenTelemetry writes it.
import {finish, join, open, outcome, report, stream} from "./lib.mjs"

const hex = bytes => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex")
const span = {trace: hex(16), id: hex(8)}
const traced = payload => ({...payload, _trace: {traceparent: `00-${span.trace}-${span.id}-01`}})

const socket = open()
const room = await join(socket, "room:1", traced({}))
const said = stream(tell => room.on("said", tell))
report("page", span)
report("say", await outcome(room.push("say", traced({body: "hello"}))))
report("said", await said())
report("spans", (await outcome(room.push("spans", {}))).response.spans)
finish(socket)
