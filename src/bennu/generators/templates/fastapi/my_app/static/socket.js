// The client: the server has it below the path of the socket.

export { Presence, Socket } from "/rt/socket/phoenix.mjs";
export { recoverable } from "/rt/socket/bennu.mjs";

export const PATH = "/rt/socket";
