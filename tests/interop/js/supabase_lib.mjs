// What the scenarios of Supabase's client share; the version of the wire is their last argument.
import {Recording, RealtimeClient, stream, url, variant} from "./lib.mjs"

// In V2 its broadcasts are binary frames of a private kind, unless it is given an encoder.
const encode = {
  "1.0.0": undefined,
  "2.0.0": ({join_ref, ref, topic, event, payload}, callback) =>
    callback(JSON.stringify([join_ref, ref, topic, event, payload])),
}[variant]

export function client(options = {}, params = {}) {
  return new RealtimeClient(`${url}/realtime/v1`, {
    transport: Recording, vsn: variant, encode, params: {apikey: "anon-key", ...params}, ...options,
  })
}

// A channel that is subscribed to, and what it says of its status, one after another.
export function subscribe(channel) {
  return {channel, status: stream(tell => channel.subscribe((status, error) =>
    tell(error === undefined ? status : `${status}: ${error.message}`)))}
}

// A frame's fields, in both versions.
export function fields(frame) {
  if (!Array.isArray(frame)) { return frame }
  const [join_ref, ref, topic, event, payload] = frame
  return {join_ref, ref, topic, event, payload}
}

export const broadcast = (channel, event, payload = {}) => channel.send({type: "broadcast", event, payload})
