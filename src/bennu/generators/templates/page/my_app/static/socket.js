// The client: the server has it below the path of the socket.

export { Presence, Socket } from "/socket/phoenix.mjs";
export { recoverable } from "/socket/bennu.mjs";

export const PATH = "/socket";
