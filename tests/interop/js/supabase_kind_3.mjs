// The client as it comes: in V2 its broadcasts are binary frames of a kind that is Supabase's own.
import {closed, finish, report, sent} from "./lib.mjs"
import {broadcast, client, subscribe} from "./supabase_lib.mjs"

const ann = client({encode: undefined, reconnectAfterMs: () => 10})
const lobby = subscribe(ann.channel("lobby"))
report("subscribed", await lobby.status())
report("sent", await broadcast(lobby.channel, "said", {text: "hi"}))
report("recovered", [await lobby.status(), await lobby.status()])
report("kind", sent.find(frame => frame.binary).binary.slice(0, 2))
report("codes", closed.map(({code}) => code))
finish(ann)
