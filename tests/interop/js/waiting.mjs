// Waiting for what a client tells by its callbacks, in Node and in a page.

// What a push comes to: its status and response.
export function outcome(push) {
  return new Promise(resolve => {
    for (const status of ["ok", "error", "timeout", "teapot"]) {
      push.receive(status, response => resolve({status, response}))
    }
  })
}

// What a callback is told, one thing after another, to be awaited:
//   const said = stream(tell => channel.on("said", tell))
//   await said()
export function stream(register) {
  const told = []
  const waiting = []
  register(value => {
    const resolve = waiting.shift()
    if (resolve) { resolve(value) } else { told.push(value) }
  })
  return () => told.length > 0 ? Promise.resolve(told.shift()) : new Promise(resolve => waiting.push(resolve))
}
