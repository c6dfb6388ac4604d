// Types of bennu.mjs. Copy this file into your project, and TypeScript knows what a page imports from
// "/socket/bennu.mjs", or from any other path that ends so.

declare module "*/bennu.mjs" {
  /**
   * Why messages are lost to the page, so that it must load its state:
   *
   * - `"trimmed"`: they are no longer kept, or this client may not read them.
   * - `"too_many"`: they are more than the channel's `max_recovered`.
   * - `"epoch"`: the history has begun anew, because the store was restarted, reset or lost entries.
   * - `"ahead"`: the page's position is above the newest message.
   * - `"invalid"`: the page's position has another shape.
   * - `"no_history"`: the channel has, or had, no history.
   */
  export type Reason = "trimmed" | "too_many" | "epoch" | "ahead" | "invalid" | "no_history"

  /** A place in the history of a topic, such as `"17:k3x"`: on the server, `str(await endpoint.position(topic))`. */
  export type Position = string

  /** What a page says about recovery. */
  export interface Recovery {
    /**
     * Loads the page's state, because messages are lost. It can return the position that came with the state: then
     * messages that the state already has are dropped. New messages wait until the promise has settled. If it fails,
     * they are passed on, and the next join calls it again. It never runs twice at a time.
     */
    missed(reason: Reason): Position | null | void | PromiseLike<Position | null | void>
    /** Is told that nothing was lost, and how many messages follow. Own messages are counted, but don't follow. */
    recovered?(count: number): void
    /** The position that came with the page's state. Without it, the first join starts at the newest message. */
    position?: Position | null
  }

  /** What `recoverable` needs of a socket of phoenix.js. */
  export interface SocketLike {
    channel(topic: string, params?: any): ChannelLike
  }

  /** What a `Recoverable` needs of a channel of phoenix.js. */
  export interface ChannelLike {
    state: string
    join(timeout?: number): any
    leave(timeout?: number): any
    push(event: string, payload: object, timeout?: number): any
    on(event: string, callback: (payload?: any, ref?: any, joinRef?: any) => void): number
    off(event: string, ref?: number): void
    onClose(callback: (payload?: any, ref?: any, joinRef?: any) => void): unknown
    onError(callback: (reason?: any) => void): unknown
  }

  /** A channel that gets what it missed. Methods without a description are those of the channel of phoenix.js. */
  export interface Recoverable<C extends ChannelLike = ChannelLike> {
    /** The channel of phoenix.js, for `new Presence(room.channel)`. Callbacks on it get repeats too. */
    readonly channel: C
    /** The position of the page's state; null before the first join, and until `missed` has loaded the state. */
    readonly position: Position | null
    /** Call a function for each message of an event, once and in order; return the number that `off` takes. */
    on(event: string, callback: (payload: any, ref?: any, joinRef?: any) => void): number
    /** Forget one callback of an event, by its number, or all callbacks of the event. */
    off(event: string, ref?: number): void
    join: C["join"]
    leave: C["leave"]
    push: C["push"]
    onClose: C["onClose"]
    onError: C["onError"]
  }

  /**
   * Return a channel that gets what it missed while its connection was lost.
   *
   * @param socket A `Socket` of phoenix.js 1.6, 1.7 or 1.8.
   * @param topic The topic. Its channel has `history` on the server.
   * @param params The params of each join, or a function that returns them. The key `recovery` is taken.
   * @param recovery What the page does if messages are lost, and where it stands.
   * @throws TypeError `missed` is missing, or the position has another shape.
   *
   * @example
   * const room = recoverable(socket, "room:7", {}, {
   *   position: page.position,
   *   async missed() {
   *     const state = await (await fetch("/rooms/7")).json()
   *     show(state)
   *     return state.position
   *   },
   * })
   * room.on("said", message => add(message))
   * room.join()
   */
  export function recoverable<S extends SocketLike>(
    socket: S,
    topic: string,
    params: object | (() => object) | undefined,
    recovery: Recovery,
  ): Recoverable<ReturnType<S["channel"]>>
}
