// A recording of one connection, as `bennu replay` reads it: one JSON object a line.

const VSN = { "V1 JSON": "1.0.0", "V2 JSON": "2.0.0" };

const round = (seconds) => Math.round(seconds * 1e6) / 1e6;

function header({ path, params, transport, serializer, user, time, topics }) {
  return {
    bennu: "recording",
    version: 1,
    path,
    params,
    transport: transport ?? "websocket",
    vsn: VSN[serializer] ?? null,
    serializer: serializer ?? null,
    user: user ?? null,
    recorded_at: time,
    joined: topics ?? [],
  };
}

function content({ record, is_binary: isBinary, is_cut: isCut }) {
  const { join_ref: joinRef, ref, topic, event, payload } = record;
  if (isCut) return { lost: 1 };
  if (event === null && topic === null) return isBinary ? { base64: payload } : { text: payload };
  const head = [joinRef, ref, topic, event];
  if (!isBinary) return { message: [...head, payload] };
  if (event === "phx_reply") return { message: [...head, { ...payload, response: null }], base64: payload.response };
  return { message: [...head, null], base64: payload };
}

function line(shown, began) {
  const { record } = shown;
  const at = round(record.at - began);
  if (record.kind === "close") return { at, from: record.by, close: [record.code, record.reason] };
  return { at, from: record.direction === "in" ? "client" : "server", ...content(shown) };
}

/**
 * Return the text of a recording.
 *
 * @param connect The record of the connection.
 * @param records Its frames and its end, as the page has got them.
 * @param lost How many frames are missing.
 */
export function recording(connect, records, lost) {
  const lines = [header(connect), ...records.map((shown) => line(shown, connect.at))];
  if (lost) lines.push({ at: 0, from: "server", lost });
  return lines.map((one) => `${JSON.stringify(one)}\n`).join("");
}
